# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Any YAML file is read, or refused with one sentence, in little time and memory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import HisegError, MappingError, TaxonomyError
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.yaml_file import MAX_VALUES, read_yaml

STREET = load_taxonomy('street')
READERS: tuple[Callable[[Path], Any], ...] = (
    load_taxonomy,
    lambda path: load_mapping(path, STREET),
)

LISTS = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]\n' for i in range(1, 12)
)
MERGES = 'a0: &a0 {k: 1}\n' + ''.join(
    f'a{i}: &a{i} {{<<: [{", ".join([f"*a{i - 1}"] * 10)}]}}\n' for i in range(1, 12)
)
ITSELF = 'tree: &a [{b: &b [*a, {c: &c [*a, *b]}]}]\nname: *c\n'
BOMBS = {
    'aliases of aliases': (LISTS + 'network: *a11\n', f'more than {MAX_VALUES} values'),
    'merges of merges': (MERGES, f'more than {MAX_VALUES} values'),
    'an alias of itself': (ITSELF, 'refers to a node that contains it'),
    'a number to the base of 60': ('name: 1:' + ':'.join(['59'] * 100_000), 'a number has more'),
    'a number of bits': ('name: 0x' + 'f' * 6000, 'a number has more'),
    'many values': ('a: [' + '1, ' * 20_100 + ']', f'more than {MAX_VALUES} values'),
    'a large file': ('a: ' + 'x' * 1_000_000, 'expected at most'),
    'a deep file': ('a: ' + '[' * 1500, 'cannot be read as YAML'),
    'code': ('!!python/object/apply:os.system [ls]', 'could not determine a constructor'),
}


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail, instead of hanging, what takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f'longer than {seconds} s')

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize('bomb', BOMBS)
def test_a_bomb_is_refused_before_it_bursts(bomb: str, tmp_path: Path) -> None:
    """Each of these took minutes or all memory with a plain safe loader, or would run code."""
    text, reason = BOMBS[bomb]
    path = tmp_path / 'bomb.yaml'
    path.write_text(text)
    with within(30), pytest.raises(TaxonomyError, match=reason) as caught:
        read_yaml(path, 'Taxonomy', TaxonomyError)
    assert len(str(caught.value)) < 1000


def test_nine_thousand_keys_take_a_moment(tmp_path: Path) -> None:
    """Looking for repeated keys does not compare each with each."""
    path = tmp_path / 'keys.yaml'
    path.write_text('\n'.join(f'key_{i}: 0' for i in range(9_000)))
    with within(20):
        assert len(read_yaml(path, 'File', MappingError)) == 9_000


def test_repeated_ids_are_found_in_a_moment(tmp_path: Path) -> None:
    """Among nineteen thousand."""
    path = tmp_path / 'mapping.yaml'
    ids = ', '.join(map(str, range(19_000)))
    path.write_text(f'name: m\nlabels: [{{id: 7, name: a, nodes: [scene]}}]\nunlabeled: [{ids}]')
    with within(20), pytest.raises(MappingError, match='expected'):
        load_mapping(path, STREET)


@pytest.mark.parametrize('name', ['../../x', '/etc/passwd', 'a/b', '..', 'a\\nb', '', 'x' * 200])
def test_a_mapping_cannot_name_its_results_into_another_folder(name: str, tmp_path: Path) -> None:
    """`hiseg predict` names files after it."""
    path = tmp_path / 'mapping.yaml'
    text = config_path('mappings/camvid.yaml').read_text()
    path.write_text(text.replace('name: camvid', f'name: "{name}"', 1))
    with pytest.raises(MappingError, match='expected a text of letters'):
        load_mapping(path, STREET)


@pytest.mark.parametrize('name', ['\\ud800', '\\e[31m', 'a\\nb', 'x' * 101, '\\0'])
def test_names_are_printable(name: str, tmp_path: Path) -> None:
    """They stand in messages, file lists and terminals."""
    path = tmp_path / 'tree.yaml'
    path.write_text(
        'name: t\nversion: "1"\ntree: {name: scene, color: "#000000", children: '
        f'[{{name: "{name}", color: "#000001"}}, {{name: b, color: "#000002"}}]}}'
    )
    with pytest.raises(TaxonomyError, match='expected a word of printable characters'):
        load_taxonomy(path)


def test_a_label_id_beyond_numpys_is_refused(tmp_path: Path) -> None:
    """Not when a table is made of it."""
    path = tmp_path / 'mapping.yaml'
    path.write_text(f'name: m\nlabels: [{{id: {10**40}, name: a, nodes: [scene]}}]')
    with pytest.raises(MappingError, match='expected an integer of 32 bits'):
        load_mapping(path, STREET)


@pytest.mark.parametrize('load', READERS)
def test_a_name_that_no_file_can_have_is_refused(load: Callable[[Path], Any]) -> None:
    """A parameter of the node may be any text."""
    for name in ('x' * 300, 'x' * 300 + '.yaml', 'a\0b.yaml', '', '\udcff', '..', '/'):
        with pytest.raises(HisegError, match='expected'):
            load(name)  # type: ignore[arg-type]


WORDS = st.sampled_from([
    'name', 'version', 'tree', 'color', 'children', 'labels', 'id', 'nodes', 'unlabeled', 'scene',
    '#000000', 'optional', 'without', 'evaluated', 'from_boxes', 'subclass_root', '.nan', '1e9',
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)


@hostile.fuzzed(60)
@given(data=st.dictionaries(WORDS, VALUES, max_size=6))
def test_any_keys_and_values_are_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    """As tree and as mapping."""
    import yaml

    path = tmp_path_factory.getbasetemp() / 'any.yaml'
    path.write_text(yaml.safe_dump(data))
    for load in READERS:
        try:
            load(path)
        except HisegError as problem:
            assert 'expected' in str(problem) or 'cannot be read' in str(problem)


@hostile.fuzzed(30)
@given(data=st.data())
def test_damaged_shipped_files_are_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A tree and a mapping with bytes changed."""
    path = tmp_path_factory.getbasetemp() / 'damaged.yaml'
    for load, name in zip(READERS, ('taxonomies/iv2018', 'mappings/camvid'), strict=True):
        whole = config_path(f'{name}.yaml').read_bytes()
        start = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(data.draw(hostile.damaged(whole[: start + 400])))
        try:
            load(path)
        except HisegError:
            pass


@pytest.mark.parametrize(
    'text',
    [
        LISTS, MERGES, 'rosbag2_bagfile_information: [', '[' * 1500, '- 1', 'x: 1', '\udcff',
        'rosbag2_bagfile_information: {relative_file_paths: [a.mcap], topics_with_message_count: '
        '[{topic_metadata: {name: /a, type: b}, message_count: .inf}]}',
        'rosbag2_bagfile_information: {relative_file_paths: [7], topics_with_message_count: {}}',
    ],
)  # fmt: skip
def test_a_bags_metadata_is_used_or_left_aside(text: str, tmp_path: Path) -> None:
    """The recording's files are then found without it."""
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'metadata.yaml').write_text(text, errors='surrogateescape')
    (folder / 'a.mcap').write_bytes(b'')
    with within(20):
        assert 'metadata.yaml cannot be read' in str(open_recording(folder).fault)
