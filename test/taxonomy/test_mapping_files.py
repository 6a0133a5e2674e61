# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mapping files: what is read, and every sentence that refuses a faulty one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from hiseg_ros.errors import MappingError
from hiseg_ros.taxonomy import Mapping, load_mapping, load_taxonomy

shipped = cache(load_taxonomy)

GOOD = """
name: small
labels:
  - {id: 3, name: road, nodes: [Driveable], without: [Parking]}
  - {id: 4, name: sky, nodes: [Sky]}
unlabeled: [0, -1]
"""


def faulty(old: str, new: str) -> str:
    """Return the good file with one change."""
    assert old in GOOD
    return GOOD.replace(old, new)


FAULTS = [
    ('- a', 'Mapping .* holds a list; expected keys and values'),
    ('name: a', 'lacks the key labels; expected labels, name and optionally'),
    (GOOD + 'nodes: []', 'has the unknown key nodes; expected labels, name and optionally'),
    (faulty('name: small', 'name: 7'), 'has the name 7; expected a text'),
    ('name: a\nlabels: []', r'has the labels \[\]; expected a list with at least one label'),
    ('name: a\nlabels: x', "has the labels 'x'; expected a list"),
    ('name: a\nlabels: [x]', "has the label 'x'; expected the keys id, name and nodes"),
    (faulty(', nodes: [Sky]', ''), 'has the label .*; expected the keys id, name and nodes'),
    (faulty('[Sky]', '[Sky], node: x'), 'has the label .*; expected the keys'),
    (faulty('name: sky', 'name: no'), 'Label 4 of .* has the name False; expected a text'),
    (faulty('id: 4', "id: '4'"), "Label 'sky' .* has the id '4'; expected an integer"),
    (faulty('id: 4', 'id: true'), "Label 'sky' .* has the id True; expected an integer"),
    (faulty('[Sky]', 'Sky'), "Label 'sky' .* has nodes: 'Sky'; expected a list of node names"),
    (faulty('[Sky]', '[1]'), r"Label 'sky' .* has nodes: \[1\]; expected a list of node names"),
    (faulty('[Parking]', 'x'), "Label 'road' .* has without: 'x'; expected a list of node names"),
    (faulty('[Sky]', '[]'), "Label 'sky' .* allows no leaf of taxonomy 'street'; expected at"),
    (faulty('[Parking]', '[Driveable]'), "Label 'road' .* allows no leaf of taxonomy 'street'"),
    (faulty('[Parking]', '[Sky]'), "Label 'road' .* leaves out 'Sky', which does not lie below"),
    (faulty('[Sky]', '[sky]'), "Label 'sky' .* names 'sky'; expected a node of taxonomy 'street'"),
    (faulty('[Parking]', '[Park]'), "Label 'road' .* names 'Park'; expected a node of taxonomy"),
    (faulty('[Sky]', '[Sky], evaluated: 0'), 'has evaluated: 0; expected true or false'),
    (faulty('[Sky]', '[Sky], counted_as: []'), r'has counted_as: \[\]; expected a text'),
    (faulty('[Sky]', '[Sky], counted_as: air'), "has counted_as: 'air'; expected the name of an"),
    (faulty('[Sky]', '[Sky], counted_as: road'), "has counted_as: 'road'; expected the name of"),
    (
        faulty('[Sky]', '[Sky], counted_as: road, evaluated: true'),
        'has both counted_as and evaluated; expected one of them',
    ),
    (faulty('[Sky]', '[Sky], shape: 1'), 'has shape: 1; expected a text: put it in quotes'),
    (faulty('[Sky]', '[Sky], published_as: []'), r'has published_as: \[\]; expected a text'),
    (faulty('id: 4', 'id: 3'), r'has the label ids \[3\] more than once; expected each once'),
    (faulty('id: 4', 'id: 0'), r'has the label ids \[0\] more than once; expected each once'),
    (faulty('name: sky', 'name: road'), r"has the label names \['road'\] more than once"),
    (faulty('[0, -1]', '7'), 'has unlabeled: 7; expected a list of label ids'),
    (faulty('[0, -1]', "['a']"), r"has unlabeled: \['a'\]; expected a list of label ids"),
    (GOOD + 'optional: x', "has optional: 'x'; expected a list of node names"),
    (GOOD + 'name: x', "cannot be read as YAML: the key 'name' occurs twice"),
]


def load(folder: Path, text: str, taxonomy: str = 'street') -> Mapping:
    """Write a mapping file and load it."""
    path = folder / 'small.yaml'
    path.write_text(text, encoding='utf-8')
    return load_mapping(path, shipped(taxonomy))


def test_a_label_allows_the_leaves_below_its_nodes_but_those_it_leaves_out(tmp_path: Path) -> None:
    tree = shipped('street')
    mapping = load(tmp_path, GOOD)
    road, sky = mapping.labels
    driveable = set(tree.leaves_below(tree.node_id('Driveable')))
    assert set(road.leaves) == driveable - {tree.node_id('Parking')}
    assert sky.leaves == (tree.node_id('Sky'),)
    assert (road.label_id, road.name, road.evaluated) == (3, 'road', True)
    assert (mapping.name, mapping.unlabeled_ids) == ('small', (0, -1))


def test_the_matrix_says_which_label_allows_which_leaf(tmp_path: Path) -> None:
    tree = shipped('street')
    mapping = load(tmp_path, GOOD)
    matrix = mapping.label_matrix(tree)
    assert matrix.shape == (2, 108)
    for label, row in zip(mapping.labels, matrix, strict=True):
        allowed = [leaf for leaf, is_in in zip(tree.leaves, row, strict=True) if is_in]
        assert tuple(allowed) == label.leaves


@pytest.mark.parametrize(('text', 'message'), FAULTS)
def test_a_faulty_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MappingError, match=message) as caught:
        load(tmp_path, text)
    assert '\n' not in str(caught.value)
    assert 'small.yaml' in str(caught.value)


def test_an_optional_name_may_be_missing_from_a_taxonomy(tmp_path: Path) -> None:
    text = GOOD.replace('[Sky]', '[Sky, Walkable]')
    with pytest.raises(MappingError, match="names 'Walkable'; expected a node of taxonomy 'iv2"):
        load(tmp_path, text, 'iv2018')
    text += 'optional: [Walkable]'
    assert len(load(tmp_path, text, 'iv2018').labels[1].leaves) == 1
    assert len(load(tmp_path, text, 'street').labels[1].leaves) == 4


def test_keys_for_the_loader_change_nothing_in_what_a_label_means(tmp_path: Path) -> None:
    text = GOOD.replace('[Sky]', '[Sky], shape: circle, published_as: nature--sky')
    assert load(tmp_path, text) == load(tmp_path, GOOD)


def test_a_label_that_only_trains_is_no_result(tmp_path: Path) -> None:
    tree = shipped('street')
    text = GOOD.replace('[Sky]', '[Street Scene], without: [Sky], evaluated: false')
    mapping = load(tmp_path, text)
    assert [label.name for label in mapping.evaluated_labels] == ['road']
    assert set(mapping.label_id_of_node_id(tree).tolist()) == {-1, 3}


def test_a_kind_of_thing_counts_as_the_thing(tmp_path: Path) -> None:
    """It trains what it says and is measured as the other label, whose name the scores have."""
    tree = shipped('street')
    paint = 'nodes: [Marking], counted_as: road'
    mapping = load(tmp_path, GOOD.replace('nodes: [Sky]', paint))
    assert [label.name for label in mapping.evaluated_labels] == ['road']
    assert mapping.counted_as == ((4, 3),)
    assert mapping.labels[1].leaves == tuple(sorted(tree.leaves_below(tree.node_id('Marking'))))
    assert mapping.label_id_of_node_id(tree)[tree.node_id('Marking')] == 3


def test_a_node_in_two_labels_counts_for_none(tmp_path: Path) -> None:
    tree = shipped('street')
    table = load(tmp_path, GOOD.replace('[Sky]', '[Sky, Road]')).label_id_of_node_id(tree)
    assert table[tree.node_id('Road')] == -1
    assert table[tree.node_id('Sky')] == 4
    assert table[tree.node_id('Marking')] == 3
    assert table[tree.node_id('Driveable')] == -1


def test_a_label_id_that_does_not_fit_the_table_is_refused(tmp_path: Path) -> None:
    mapping = load(tmp_path, GOOD.replace('id: 4', 'id: 300'))
    with pytest.raises(MappingError, match="'sky' .* has id 300; expected 0 to 255"):
        mapping.index_of_label_id(256)
    assert mapping.index_of_label_id(301)[[3, 300, 0]].tolist() == [0, 1, -1]


def test_a_missing_name_is_refused_with_the_names_there_are() -> None:
    names = (
        'a2d2, ade20k, autoware, camvid, camvid_32, camvid_iv2018, carla_boxes, cityscapes, '
        'cityscapes_19, cityscapes_labelids, cityscapes_teacher, cityscapes_trainids, '
        'coco_stuff, drawn, gta5, gtsdb, idd, nav2, openimages, synthia, vistas, vistas_2, '
        'vkitti_2, voc, wilddash_2'
    )
    with pytest.raises(MappingError, match=rf'does not exist; .*{names}'):
        load_mapping('kitti', shipped('street'))


def test_an_earlier_name_gives_the_same_labels_under_that_name_and_says_so() -> None:
    """Parameter files keep their topics, model files their mapping."""
    tree = shipped('street')
    with pytest.warns(FutureWarning, match='cityscapes_19 is now called cityscapes_labelids'):
        old = load_mapping('cityscapes_19', tree)
    assert old.name == 'cityscapes_19'
    assert replace(old, name='cityscapes_labelids') == load_mapping('cityscapes_labelids', tree)


def test_an_earlier_name_is_said_once(tmp_path: Path) -> None:
    """A node reads it several times for each camera."""
    program = (
        'from hiseg_ros.taxonomy import load_mapping, load_taxonomy\n'
        'tree = load_taxonomy("street")\n'
        'for _ in range(5): load_mapping("cityscapes_19", tree)\n'
    )
    command = [sys.executable, '-c', program]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    assert said.count('is now called cityscapes_labelids') == 1


@pytest.mark.parametrize('target', ['alias', '[a]', '../elsewhere/file', '3', 'absent'])
def test_an_alias_of_nothing_is_refused(tmp_path: Path, target: str) -> None:
    """It names another mapping in its folder, so it cannot lead elsewhere or in a circle."""
    path = tmp_path / 'alias.yaml'
    path.write_text(f'alias_of: {target}\n')
    expected = 'does not exist' if target == 'absent' else 'expected the name of another mapping'
    with pytest.raises(MappingError, match=expected):
        load_mapping(path, shipped('street'))


def test_an_alias_of_an_alias_is_refused(tmp_path: Path) -> None:
    """Two of them would be a circle."""
    for one, other in (('a', 'b'), ('b', 'a')):
        (tmp_path / f'{one}.yaml').write_text(f'alias_of: {other}\n')
    with pytest.raises(MappingError, match='lacks'):
        load_mapping(tmp_path / 'a.yaml', shipped('street'))
