# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The package as others get it: versions, licence, manifest, build lists, documented commands."""

from __future__ import annotations

import configparser
import functools
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import hiseg_ros
from hiseg_ros.cli.__main__ import VERBS

ROOT = Path(__file__).resolve().parent.parent
HEADER = ('# Copyright 2026 The hiseg_ros developers', '# SPDX-License-Identifier: Apache-2.0')
SOURCES = ('*.py', '*.yaml', '*.sh', '*.toml', '*.cfg', 'CMakeLists.txt', 'Makefile', 'run')
IMPORTED_AS = {'python3-opencv': 'cv2', 'python3-yaml': 'yaml'}
"""rosdep keys whose module has another name than python3-<module>."""

NOT_IMPORTED = {'cv_bridge', 'rosidl_default_runtime', 'ros2launch'}
"""Run-time dependencies that no file imports: what users convert the images with, the messages'
libraries, the launch command."""


def tracked_files() -> list[Path]:
    """Return what a clone of the checkout would hold, new files included."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard']
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('not a git checkout')
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def manifest() -> ElementTree.Element:
    """Return package.xml."""
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def texts(tag: str) -> set[str]:
    """Return the texts of a tag of package.xml."""
    return {element.text or '' for element in manifest().iter(tag)}


def documented_commands() -> list[tuple[str, str]]:
    """Return (page, command) of every command in the pages' shell blocks."""
    pages = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]
    found = []
    for page in pages:
        if not page.is_file():
            continue
        text = page.read_text(encoding='utf-8')
        for block in re.findall(r'^```(?:bash|sh|console)\n(.*?)^```', text, re.DOTALL | re.M):
            joined = block.replace('\\\n', ' ')
            for line in joined.splitlines():
                command = line.split(' #')[0].strip().removeprefix('$ ')
                if command and not command.startswith('#'):
                    found.append((page.name, command))
    return found


def test_the_version_is_the_same_everywhere() -> None:
    """package.xml, setup.py and the module agree, and the change log may only be ahead."""
    setup = re.search(r"version='([^']+)'", (ROOT / 'setup.py').read_text(encoding='utf-8'))
    assert setup is not None
    assert texts('version') == {setup.group(1)} == {hiseg_ros.__version__}


def test_every_source_says_copyright_and_licence() -> None:
    """The two header lines come first, after a shebang at most."""
    without = []
    for path in tracked_files():
        if not any(path.match(pattern) for pattern in SOURCES):
            continue
        head = path.read_text(encoding='utf-8').splitlines()[:3]
        if tuple(head[:2]) != HEADER and tuple(head[1:3]) != HEADER:
            without.append(str(path.relative_to(ROOT)))
    assert not without


def test_every_python_source_says_what_it_is_for() -> None:
    """The first statement is a docstring of one summary line."""
    without = []
    for path in tracked_files():
        if path.suffix == '.py':
            lines = path.read_text(encoding='utf-8').splitlines()
            first = next((line for line in lines if line and not line.startswith('#')), '')
            if not re.match(r'"""\S.*[.:!?](""")?$', first):
                without.append(str(path.relative_to(ROOT)))
    assert not without


def test_the_licence_is_the_one_the_manifest_names() -> None:
    """LICENSE holds Apache 2.0, and package.xml and setup.cfg say so."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    licence = (ROOT / 'LICENSE').read_text(encoding='utf-8')
    assert 'Apache License' in licence and 'Version 2.0, January 2004' in licence
    assert texts('license') == {'Apache-2.0'} == {setup['metadata']['license']}


def test_the_manifest_is_format_3_and_builds_with_ament_cmake() -> None:
    """A robot's colcon, rosdep and bloom read these fields."""
    root = manifest()
    assert root.get('format') == '3'
    assert texts('name') == {'hiseg_ros'}
    assert texts('build_type') == {'ament_cmake'}
    assert texts('member_of_group') == {'rosidl_interface_packages'}


def test_the_manifest_asks_for_nothing_that_only_pip_has() -> None:
    """The build farm refuses keys that rosdep can serve by pip alone."""
    keys = texts('depend') | texts('exec_depend') | texts('test_depend') | texts('build_depend')
    assert not {key for key in keys if key.endswith('-pip')}


def test_the_manifest_names_what_the_ros_room_imports() -> None:
    """Every ROS package that the node or the launch file imports has its key, and no other has."""
    imported = set()
    for path in [*(ROOT / 'hiseg_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        text = path.read_text(encoding='utf-8')
        imported |= set(re.findall(r'^ *(?:from|import) (\w+)', text, re.MULTILINE))
        imported |= set(re.findall(r"import_module\('(\w+)", text))
    known = texts('depend') | texts('exec_depend')
    keys = {IMPORTED_AS.get(key, key.removeprefix('python3-')) for key in known} - NOT_IMPORTED
    ros = {name for name in imported if re.fullmatch(r'\w+_msgs|rcl\w+|launch\w*', name)}
    assert ros <= keys
    assert keys - {'builtin_interfaces'} <= imported


def test_cmake_generates_every_message_and_installs_every_program() -> None:
    """The lists in CMakeLists.txt are those of the folders."""
    text = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    assert set(re.findall(r'msg/\w+\.msg', text)) == {
        f'msg/{path.name}' for path in (ROOT / 'msg').glob('*.msg')
    }
    programs = {
        f'scripts/{path.name}'
        for path in (ROOT / 'scripts').iterdir()
        if path.is_file() and not path.suffix
    }
    (listed,) = re.findall(r'foreach\(program ([\w ]+)\)', text)
    assert {f'scripts/{name}' for name in listed.split()} == programs
    assert all(os.access(ROOT / program, os.X_OK) for program in programs)


def test_every_room_is_a_python_package() -> None:
    """A folder without __init__.py would be missing from the pip package."""
    folders = {path.parent for path in (ROOT / 'hiseg_ros').rglob('*.py')}
    assert all((folder / '__init__.py').is_file() for folder in folders)
    others = [*(ROOT / 'launch').rglob('__init__.py'), *(ROOT / 'test').rglob('__init__.py')]
    assert not others


@pytest.mark.needs('ros')
def test_the_colcon_install_holds_module_messages_programs_and_data() -> None:
    """What `ros2 run` and `ros2 launch` need lies where they look."""
    prefixes = [Path(prefix) for prefix in os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)]
    prefix = next(path for path in prefixes if (path / 'share/hiseg_ros/package.xml').is_file())
    share = prefix / 'share' / 'hiseg_ros'
    assert (prefix / 'share/ament_index/resource_index/packages/hiseg_ros').is_file()
    for program in ('hiseg', 'segmentation_node'):
        path = prefix / 'lib' / 'hiseg_ros' / program
        assert os.access(path, os.X_OK)
        interpreter = path.read_text(encoding='utf-8').splitlines()[0].removeprefix('#!')
        assert os.access(interpreter, os.X_OK), 'the build leaves the interpreter it ran with'
    (module,) = (prefix / 'lib').glob('python3.*/site-packages/hiseg_ros')
    expected = {path.relative_to(ROOT) for path in (ROOT / 'hiseg_ros').rglob('*.py')}
    late = {path for path in expected if not (module.parent / path).is_file()}
    assert not late, 'run `make setup` after adding a file'
    assert len(list((module / 'msg').glob('_*.py'))) >= len(list((ROOT / 'msg').glob('*.msg')))
    for folder in ('launch', 'config', 'models'):
        files = [path for path in (ROOT / folder).rglob('*') if path.is_file()]
        kept = [path for path in files if '__pycache__' not in path.parts]
        late = {path for path in kept if not (share / path.relative_to(ROOT)).is_file()}
        assert kept and not late, 'run `make setup` after adding a file'


def test_requirements_are_frozen() -> None:
    """Every line of requirements/*.txt is one exact version, the same in every file."""
    versions: dict[tuple[str, str | None], str] = {}
    for path in (ROOT / 'requirements').glob('*.txt'):
        for line in path.read_text(encoding='utf-8').splitlines():
            if line.startswith('#'):
                continue
            match = re.fullmatch(r'([a-z0-9.-]+)==([\w.]+)(?: ; (python_full_version .*))?', line)
            assert match is not None, line
            name, version, marker = match.groups()
            assert versions.setdefault((name, marker), version) == version, line


def test_requirements_lock_what_they_ask_for() -> None:
    """Every name of a .in file is in the .txt file beside it."""
    for path in (ROOT / 'requirements').glob('*.in'):
        frozen = path.with_suffix('.txt').read_text(encoding='utf-8')
        for line in path.read_text(encoding='utf-8').splitlines():
            if line and not line.startswith('#'):
                name = re.split(r'[<>=~! ]', line)[0].lower()
                assert re.search(rf'^{re.escape(name)}==', frozen, re.MULTILINE), (path, name)


def test_make_without_a_target_lists_the_targets() -> None:
    """Every target that the Makefile documents is listed, and every target is documented."""
    text = (ROOT / 'Makefile').read_text(encoding='utf-8')
    result = subprocess.run(['make', '-s'], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = set(re.findall(r'^\.PHONY: ([\w-]+)$', text, re.MULTILINE))
    assert {'setup', 'demo', 'test', 'check', 'lint', 'types', 'clean'} <= targets
    assert set(re.findall(r'^ +make ([\w-]+) ', result.stdout, re.MULTILINE)) == targets


@pytest.mark.slow
def test_documented_commands_exist() -> None:
    """Targets, verbs, options, launch files and programs that the pages name are there."""
    text = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.findall(r'^\.PHONY: ([\w-]+)$', text, re.MULTILINE))
    for page, command in documented_commands():
        words = command.split()
        while words and re.match(r'\w+=', words[0]):
            words.pop(0)
        if words[0] == 'make':
            named = [word for word in words[1:] if '=' not in word and word[0] != '-']
            assert set(named) <= targets, (page, command)
        elif Path(words[0]).name == 'hiseg' and len(words) > 1 and words[1][0] != '-':
            assert words[1] in VERBS, (page, command)
            options = {word.split('=')[0] for word in words if word.startswith('--')}
            assert options <= options_of(words[1:3]), (page, command)
        elif words[:3] == ['ros2', 'launch', 'hiseg_ros']:
            assert (ROOT / 'launch' / words[3]).is_file(), (page, command)
        elif words[:3] == ['ros2', 'run', 'hiseg_ros']:
            assert (ROOT / 'scripts' / words[3]).is_file(), (page, command)


@functools.cache
def help_of(words: tuple[str, ...]) -> str:
    """Return the help of a verb, or of its sub-verb."""
    command = [sys.executable, '-m', 'hiseg_ros.cli', *words, '--help']
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return result.stdout


def options_of(words: list[str]) -> set[str]:
    """Return the options that the help of a verb names; a second word may be its sub-verb."""
    given = tuple(word for word in words if word[0] != '-')
    return set(re.findall(r'--[a-z][a-z-]*', help_of(given)))


def test_setup_empties_no_environment_that_is_only_linked_to(tmp_path: Path) -> None:
    """A copy of a checkout may hold a link to another one's .venv."""
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'kept').touch()
    checkout = tmp_path / 'checkout'
    (checkout / 'scripts').mkdir(parents=True)
    for name in ('scripts/setup_environment.py', 'scripts/hiseg_drawing.py', 'requirements'):
        source, target = ROOT / name, checkout / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (checkout / '.venv').symlink_to(other)
    command = [sys.executable, str(checkout / 'scripts' / 'setup_environment.py')]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert 'is a link to' in result.stderr
    assert 'remove the link' in result.stderr
    assert [path.name for path in other.iterdir()] == ['kept']
