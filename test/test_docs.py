# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The documentation: its links, the files it names, and the website that Sphinx makes of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / 'docs'
GENERATED = DOCS / 'generated'
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'examples/README.md',
    ROOT / 'models/street_vit.md',
    ROOT / 'models/street_lite.md',
    *sorted(path for path in DOCS.rglob('*.md') if not path.is_relative_to(GENERATED)),
]
NAMED_PATH = re.compile(
    r'`((?:hiseg_ros(?!/[A-Z])|test|config|docs|msg|srv|launch|scripts|requirements|examples)/[\w./-]+)`'
)
NAMED_IN_FILE = re.compile(r'`(\w+)` in\s+`((?:hiseg_ros|test)/[\w/]+\.py)`')
NAMED_OBJECT = re.compile(r'\bhiseg_ros(?!\.msg|\.srv)(?:\.\w+)+')


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    """docs/security.md; one constant each, also for the engine, which takes what decoders give."""
    from hiseg_ros import yaml_file
    from hiseg_ros.bags import bag_files, compression
    from hiseg_ros.images import file, header
    from hiseg_ros.inference import engine, model_file
    from hiseg_ros.taxonomy import tree

    section = (DOCS / 'security.md').read_text('utf-8').partition('\n## Limits\n')[2]
    rows = re.findall(r'^\| (.+?) \| (.+?) \|$', section.partition('\n## ')[0], re.M)
    said = {what: limits for what, limits in rows if what != 'what'}

    def numbers(what: str) -> list[int]:
        units = {'KiB': 2**10, 'MiB': 2**20, 'GiB': 2**30, 'MB': 10**6}
        found = re.findall(r'(\d[\d,]*)(?: ([KMG]iB|MB))?(?=[;,( ]|$)', said.pop(what))
        return [int(number.replace(',', '')) * units.get(unit, 1) for number, unit in found]

    assert engine.MAX_PIXELS is header.MAX_PIXELS
    pixels = numbers('pixels of an image, raw or compressed')
    assert (pixels[0], pixels[1] * 2**20) == (header.MAX_PIXELS, header.MAX_PIXELS)
    assert numbers('pixels of a network input') == [engine.MAX_INPUT_PIXELS]
    assert numbers('scans of a progressive JPEG') == [header.MAX_SCANS]
    files = 'an image file; a model file; the files together that an `.onnx` keeps its numbers in'
    assert numbers(files) == [file.MAX_FILE_BYTES]
    assert model_file.MAX_FILE_BYTES == file.MAX_FILE_BYTES
    yaml = numbers('a YAML file; values in it, aliases followed; digits of a number')
    assert yaml == [yaml_file.MAX_FILE_BYTES, yaml_file.MAX_VALUES, yaml_file.MAX_NUMBER_LENGTH]
    assert numbers('`metadata.yaml` of a bag') == list(bag_files.MAX_METADATA)
    packed = numbers('a compressed message; a compressed chunk of a bag')
    assert packed == [compression.MAX_MESSAGE_BYTES, compression.MAX_CHUNK_BYTES]
    [info, _] = said.pop('an info block; channels in it').split('; ')
    assert info.startswith(f'{model_file.MAX_INFO_BYTES // 10**6} MB')
    assert numbers('nodes of a taxonomy; characters of a name') == [tree.MAX_NODES, tree.MAX_NAME]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    """Links between pages work in a checkout and on a repository host."""
    links = re.findall(r'\]\((?![a-z]+:|#)([^)\s#]+)(?:#[^)\s]*)?\)', page.read_text('utf-8'))
    broken = [link for link in links if not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_name_in_a_file_that_a_page_names_is_there(page: Path) -> None:
    """A file that was moved, or a table that was renamed, is noticed here."""
    text = page.read_text(encoding='utf-8')
    paths = [path for path in NAMED_PATH.findall(text) if 'NAME' not in path]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    missing = [
        (name, path)
        for name, path in NAMED_IN_FILE.findall(text)
        if not re.search(rf'\b{name}\b', (ROOT / path).read_text(encoding='utf-8'))
    ]
    missing += [
        (name, dotted) for dotted in NAMED_OBJECT.findall(text) if (name := absent_part(dotted))
    ]
    assert missing == []


def absent_part(dotted: str) -> str:
    """Return what is not there of a name such as hiseg_ros.bags.bag.read_images, or ''."""
    place, *rest = (ROOT / 'hiseg_ros', *dotted.split('.')[1:])
    while rest and (place / rest[0]).is_dir():
        place /= rest.pop(0)
    if rest and (place / f'{rest[0]}.py').is_file():
        file = place / f'{rest.pop(0)}.py'
    else:
        file = place / '__init__.py'
    text = file.read_text(encoding='utf-8')
    return next((name for name in rest if not re.search(rf'\b{name}\b', text)), '')


def test_contributors_are_sent_to_many_files() -> None:
    """The checks above find what they are to check."""
    text = (DOCS / 'extending.md').read_text(encoding='utf-8')
    assert len(NAMED_PATH.findall(text)) > 50
    assert len(NAMED_IN_FILE.findall(text)) > 10


@pytest.mark.needs('docs')
@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_has_every_page(tmp_path: Path) -> None:
    """As by rosdoc2: from a copy of docs/, with the package on the path; without the API pages."""
    source, site = tmp_path / 'docs', tmp_path / 'site'
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns('generated', '__pycache__'))
    command = [
        sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-n', '-q', '-b', 'html',
        '-D', 'exclude_patterns=generator,generated/parts,generated/api',
        '-D', 'suppress_warnings=ref.python,toc.not_readable', str(source), str(site),
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert result.returncode == 0, result.stderr
    index = (site / 'index.html').read_text(encoding='utf-8')
    reachable = set(re.findall(r'class="reference internal" href="([\w./-]+)\.html', index))
    decisions = (site / 'adr/index.html').read_text(encoding='utf-8')
    reachable |= {f'adr/{name}' for name in re.findall(r'href="(\d{4}-[\w-]+)\.html', decisions)}
    pages = {
        path.relative_to(DOCS).with_suffix('').as_posix()
        for path in PAGES
        if path.is_relative_to(DOCS)
    }
    assert pages - {'index'} <= reachable
    assert {f'generated/{name}' for name in ('changelog', 'contributing', 'examples')} <= reachable

    from hiseg_ros.cli.__main__ import VERBS
    from hiseg_ros.ros.parameters import RULES

    for page, words in {
        'parameters': RULES,
        'command_line': [f'hiseg {verb}' for verb in VERBS],
        'messages': [path.stem for path in (ROOT / 'msg').glob('*.msg')],
        'launch': ['fastdds_profile', 'camera_info_topic', 'at_end'],
    }.items():
        text = re.sub(r'<[^>]+>', '', (site / f'{page}.html').read_text(encoding='utf-8'))
        assert [word for word in words if word not in text] == []


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the package that makes the generated pages."""
    monkeypatch.syspath_prepend(str(DOCS))
    import generator
    import generator.docstrings
    import generator.interfaces

    return generator


MESSAGE = """# A thing that was seen.
# It has two lines.

string KIND="thing"       # the only kind
uint8 NONE=255

std_msgs/Header header    # unchanged
float32[<=3] votes        # best first,
                          # in [0, 1]
# Of all things so far.
uint64 count
"""


@pytest.mark.needs('docs')
def test_a_message_is_read_with_its_comments(generator: ModuleType) -> None:
    whole, first, second = generator.interfaces.parse(MESSAGE)
    assert whole.comment == 'A thing that was seen. It has two lines.'
    assert [(e.name, e.value, e.note) for e in first.entries] == [
        ('KIND', '"thing"', 'the only kind'),
        ('NONE', '255', ''),
        ('header', None, 'unchanged'),
        ('votes', None, 'best first, in [0, 1]'),
    ]
    assert second.comment == 'Of all things so far.'
    assert [(e.type, e.name) for e in second.entries] == [('uint64', 'count')]
    with pytest.raises(ValueError, match='not a line of a ROS message'):
        generator.interfaces.parse('uint8\n')


@pytest.mark.needs('docs')
@pytest.mark.parametrize(
    ('source', 'link', 'expected'),
    [
        ('README.md', 'docs/node.md#faults', 'node.md#faults'),
        ('README.md', 'docs/images/names.jpg', 'images/names.jpg'),
        ('README.md', 'models/street_vit.md', 'generated/street_vit.md'),
        ('README.md', 'CHANGELOG.rst', 'generated/changelog.rst'),
        ('CONTRIBUTING.md', 'docs/adr/index.md', '../adr/index.md'),
        ('docs/node.md', '../README.md', 'index.rst'),
        ('docs/node.md', '../examples/', 'generated/examples.md'),
        ('docs/node.md', 'https://example.org', 'https://example.org'),
        ('docs/node.md', '#faults', '#faults'),
    ],
)
def test_links_lead_to_the_pages_of_the_site(
    generator: ModuleType, source: str, link: str, expected: str
) -> None:
    page = {
        'README.md': DOCS / 'index.rst',
        'CONTRIBUTING.md': GENERATED / 'contributing.md',
    }.get(source, ROOT / source)
    text = generator.links.moved(f'[here]({link})', ROOT / source, page, ROOT, DOCS)
    assert text == f'[here]({expected})'


@pytest.mark.needs('docs')
def test_docstrings_are_plain_text_with_code(generator: ModuleType) -> None:
    """What would be markup in reStructuredText is shown as it is; code keeps its backslashes."""
    lines = ['Match `\\d+`s of **a*, b_ and |c|.', '', 'Args:', '    size: (H, W).']
    generator.docstrings.as_restructured_text(None, 'function', 'f', None, None, lines)
    assert lines[0] == 'Match ``\\d+``\\ s of \\*\\*a\\*, b\\_ and \\|c\\|.'
    assert ':param size: (H, W).' in lines
    lines = ['Of a column: its name.']
    generator.docstrings.as_restructured_text(None, 'data', 'NAMES', None, None, lines)
    assert lines == ['Of a column: its name.']
