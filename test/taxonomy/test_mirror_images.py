# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The file of mirror images: complete, consistent, and refused in one sentence where faulty."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from method_tables import GTSDB

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.taxonomy.mirror import NO_LEAF, load_mirror_images
from hiseg_ros.taxonomy.schema import read_yaml

shipped = cache(load_taxonomy)


@pytest.mark.parametrize('tree', ['street', 'iv2018'])
def test_the_shipped_file_says_what_every_type_becomes(tree: str) -> None:
    taxonomy = shipped(tree)
    mirror = load_mirror_images('traffic_signs', taxonomy)
    assert mirror.shape == (len(taxonomy.leaves),)
    names = [taxonomy.nodes[leaf].name for leaf in taxonomy.leaves]
    found = {
        name: names[image] if image != NO_LEAF else None
        for name, image in zip(names, mirror, strict=True)
    }
    type_names = {row[0]: row[3] for row in GTSDB}
    swapped = {19: 20, 33: 34, 36: 37, 38: 39}
    for first, second in swapped.items():
        assert found[type_names[first]] == type_names[second]
        assert found[type_names[second]] == type_names[first]
    # The facts sheet names 12, 13, 15 and 17 as symmetric.
    symmetric = {number for number, name in type_names.items() if found[name] == name}
    assert symmetric == {11, 12, 13, 15, 17, 18, 22, 26, 30, 35}
    directional = set(swapped) | set(swapped.values())
    for number in set(type_names) - symmetric - directional:
        assert found[type_names[number]] is None
    # What is no sign type looks the same from the other side.
    assert all(found[name] == name for name in names if name not in type_names.values())


def test_the_shipped_file_names_each_of_the_43_types() -> None:
    listed = read_yaml(config_path('mirror_images/traffic_signs.yaml'), 'x', MappingError)
    assert set(listed['mirror']) == {row[3] for row in GTSDB} | {'other sign'}


def load(folder: Path, text: str, taxonomy: Taxonomy) -> np.ndarray:
    """Write a file and load it."""
    path = folder / 'small.yaml'
    path.write_text(text, encoding='utf-8')
    return load_mirror_images(path, taxonomy)


GOOD = """
name: small
mirror: {stop: none, limit_30: limit_50, limit_50: limit_30, other sign: same, absent: same}
"""

FAULTS = [
    ('- a', 'holds a list; expected keys and values'),
    ('name: a', 'lacks the key mirror; expected name, mirror'),
    (GOOD + 'x: 1', 'has the unknown key x'),
    ('name: a\nmirror: [stop]', r"has mirror: \['stop'\]; expected for each leaf"),
    ('name: a\nmirror: {stop: 1}', 'has mirror: .*; expected for each leaf'),
    (GOOD.replace('limit_50: limit_30', 'limit_50: same'), "makes 'limit_30' 'limit_50', and"),
    (GOOD.replace('limit_50: limit_30, ', ''), "'limit_50' 'nothing'; expected two leaves"),
    (GOOD.replace('stop: none', 'stop: stop_2'), "makes 'stop' 'stop_2', and 'stop_2' 'nothing'"),
    (GOOD.replace('stop: none, ', ''), r"does not list \['stop'\] of taxonomy"),
    (GOOD.replace('absent', 'limit'), "lists 'limit', an inner node"),
]


def test_leaves_swap_stay_or_have_no_mirror_image(
    tmp_path: Path, small_taxonomy: Taxonomy
) -> None:
    mirror = load(tmp_path, GOOD, small_taxonomy)
    names = [small_taxonomy.nodes[leaf].name for leaf in small_taxonomy.leaves]
    place = {name: index for index, name in enumerate(names)}
    expected = np.arange(len(names))
    expected[place['stop']] = NO_LEAF
    expected[[place['limit_30'], place['limit_50']]] = place['limit_50'], place['limit_30']
    np.testing.assert_array_equal(mirror, expected)


@pytest.mark.parametrize(('text', 'message'), FAULTS)
def test_a_faulty_file_is_refused_in_one_sentence(
    tmp_path: Path, small_taxonomy: Taxonomy, text: str, message: str
) -> None:
    with pytest.raises(MappingError, match=message) as caught:
        load(tmp_path, text, small_taxonomy)
    assert '\n' not in str(caught.value)
    assert 'small.yaml' in str(caught.value)


def test_a_missing_name_is_refused() -> None:
    with pytest.raises(MappingError, match=r'does not exist; .*traffic_signs'):
        load_mirror_images('no_such_file', shipped('street'))
