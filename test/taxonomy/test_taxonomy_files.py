# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Taxonomy files: what is read, and every sentence that refuses a faulty one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.errors import TaxonomyError
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.taxonomy.schema import MAX_FILE_BYTES, parse_taxonomy

GOOD = """
name: small
version: '1.0'
tree:
  name: all
  color: '#010101'
  children:
    - {name: a, color: '#0a0B0c'}
    - {name: b, color: '#000002'}
"""
FAULTS = [
    ('- a', 'holds a list; expected keys and values at the top level'),
    ('', 'holds a NoneType; expected keys and values'),
    ('a: [', 'cannot be read as YAML: .*line'),
    ('a: !!python/object:os.system {}', 'cannot be read as YAML: could not determine'),
    ('a: 2020-13-45', 'cannot be read as YAML: month must be'),
    ('[' * 600, 'cannot be read as YAML'),
    (GOOD + "version: '2.0'", "cannot be read as YAML: the key 'version' occurs twice"),
    (GOOD.replace('version', 'edition'), 'lacks the key version and has the unknown key edition'),
    (GOOD.replace("'1.0'", '1.0'), 'has the version 1.0; expected a text: put it in quotes'),
    (GOOD.replace('name: small', 'name: [x]'), r"has the name \['x'\]; expected a text"),
    (GOOD + 'subclass_root: c', "subclass_root 'c'; expected the name of a node of its tree"),
    (GOOD + 'subclass_root: 7', 'has the subclass_root 7; expected a text'),
    (GOOD + 'subclass_root: a', 'subclass root 1; expected the id of a node with children'),
    (GOOD.replace('name: all', ''), 'The root of .* lacks the key name; expected color, name and'),
    (GOOD.replace('name: b', 'name: off'), "A child of node 'all' of .* has the name False"),
    (GOOD.replace('name: b', 'colour: x'), "A child of node 'all' .* lacks the key name and has"),
    (GOOD.replace("'#000002'", '#000002\n     '), "Node 'b' .* has the color None; expected "),
    (GOOD.replace('#000002', '#00002'), "Node 'b' .* has the color '#00002'; expected"),
    (GOOD.replace("{name: b, color: '#000002'}", 'b'), "has the node 'b'; expected the keys name"),
    (GOOD.replace("2'}", "2', children: x}"), "Node 'b' .* has the children 'x'; expected a list"),
    (GOOD.replace("2'}", "2', kids: []}"), "Node 'b' .* has the unknown key kids; expected"),
    (GOOD.replace("    - {name: b, color: '#000002'}\n", ''), 'has one child; expected none or'),
    (GOOD.replace('name: b', 'name: a'), 'have the same name'),
    (GOOD.replace('000002', '0A0b0C'), 'have the same color'),
]


def write(folder: Path, text: str) -> Path:
    """Write a taxonomy file."""
    path = folder / 'small.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_a_file_is_read_as_it_says(tmp_path: Path) -> None:
    tree = load_taxonomy(write(tmp_path, GOOD))
    assert (tree.name, tree.version, tree.subclass_root) == ('small', '1.0', None)
    assert [node.name for node in tree.nodes] == ['all', 'a', 'b']
    assert tree.nodes[1].color == (10, 11, 12)


def test_a_description_is_allowed_and_the_subclass_root_is_a_name(tmp_path: Path) -> None:
    tree = load_taxonomy(write(tmp_path, GOOD + 'description: x\nsubclass_root: all\n'))
    assert tree.subclass_root == 0


@pytest.mark.parametrize(('text', 'message'), FAULTS)
def test_a_faulty_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(TaxonomyError, match=message) as caught:
        load_taxonomy(path)
    assert '\n' not in str(caught.value)


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace('#000002', 'red'))
    with pytest.raises(TaxonomyError) as caught:
        load_taxonomy(path)
    assert str(path) in str(caught.value)


def test_a_missing_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(TaxonomyError, match='does not exist; .*iv2018, street.: check the name'):
        load_taxonomy('strete')


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match='does not exist; expected a YAML file: check'):
        load_taxonomy(tmp_path / 'none.yaml')


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, '#' * (MAX_FILE_BYTES + 1))
    with pytest.raises(TaxonomyError, match=f'has {MAX_FILE_BYTES + 1} bytes; expected at most'):
        load_taxonomy(path)
    path.write_bytes(b'\xff\xfe\xfa')
    with pytest.raises(TaxonomyError, match='cannot be read as YAML'):
        load_taxonomy(path)


def test_a_branch_that_repeats_itself_is_refused_at_once(tmp_path: Path) -> None:
    text = "name: x\nversion: '1'\ntree: &t\n  name: a\n  color: '#000001'\n  children: [*t, *t]\n"
    with pytest.raises(TaxonomyError, match='an alias refers to a node that contains it'):
        load_taxonomy(write(tmp_path, text))


def test_a_value_that_repeats_itself_a_billion_times_is_refused_at_once(tmp_path: Path) -> None:
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 12)]
    for value in ('color: *a11, name: b', "name: *a11, color: '#000002'"):
        text = GOOD.replace("name: b, color: '#000002'", value) + '\n'
        with pytest.raises(TaxonomyError):
            load_taxonomy(write(tmp_path, '\n'.join(lines) + text))
        data = {'name': 'x', 'version': '1', 'tree': {'name': 'b', 'color': huge(12)}}
        with pytest.raises(TaxonomyError, match='has the color'):
            parse_taxonomy(data, 'here')


@pytest.mark.parametrize('data', [None, [], 'street', [{}]])
def test_plain_data_that_is_no_tree_is_refused(data: object) -> None:
    with pytest.raises(TaxonomyError, match='The tree is .*; expected the keys name, version'):
        parse_taxonomy(data, 'The tree')  # type: ignore[arg-type]


def huge(depth: int) -> list[object]:
    """Return a small object that is huge when written out."""
    value: list[object] = ['x']
    for _ in range(depth):
        value = [value] * 10
    return value
