# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Boxes of CARLA: which pixels get which label, and every sentence about a faulty folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import cut, write_image

from hiseg_ros.datasets import mapping_of, open_dataset
from hiseg_ros.errors import DatasetError
from hiseg_ros.taxonomy import load_taxonomy

HEADER = 'split,image,class,xmin,ymin,xmax,ymax\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return images of 40 x 24 pixels: two for training, one of them without a box, one test."""
    for name in ('train/a.webp', 'train/b.webp', 'test/c.webp'):
        write_image(tmp_path / name)
    lines = [
        'train,a,vehicle,10,5,20,15',
        'train,a,bike,12,8,16,12',
        'test,c,traffic_sign,0,0,1,1',
    ]
    (tmp_path / 'boxes.csv').write_text(HEADER + '\n'.join(lines) + '\n')
    return tmp_path


def test_the_inner_part_of_a_box_is_labelled_and_smaller_boxes_are_in_front(folder: Path) -> None:
    dataset = open_dataset('carla_boxes', folder)
    assert len(dataset) == 1
    sample = dataset[0]
    expected = np.full((24, 40), 5, np.uint8)
    expected[5:15, 10:20] = 255
    expected[6:14, 11:19] = 0
    expected[8:12, 12:16] = 2
    np.testing.assert_array_equal(sample.label_ids, expected)
    assert [box.label_id for box in sample.boxes] == [0, 2]
    tiny = open_dataset('carla_boxes', folder, {'split': 'test'})[0].label_ids
    assert tiny[0, 0] == 4
    assert (tiny == 4).sum() == 1


@pytest.mark.parametrize('tree', ['street', 'iv2018'])
def test_outside_all_boxes_is_anything_that_has_boxes_but_a_sign(tree: str) -> None:
    taxonomy = load_taxonomy(tree)
    mapping = mapping_of('carla_boxes', taxonomy)
    allowed = dict(zip(mapping.labels, mapping.label_matrix(taxonomy), strict=True))
    of_name = {label.name: row for label, row in allowed.items()}
    outside = of_name['outside all boxes']
    assert not any((outside & of_name[name]).any() for name in ('vehicle', 'bike', 'motobike'))
    assert not (outside & of_name['traffic_light']).any()
    assert (outside & of_name['traffic_sign'] == of_name['traffic_sign']).all()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a,b\n1,2\n', r"has the columns \['a', 'b'\]; expected \['split', 'image'"),
        (HEADER + 'train,a,tram,1,1,2,2\n', r"Line 2 .* the box \['tram', '1'.*; expected one of"),
        (HEADER + 'train,a,bike,3,1,2,2\n', r"Line 2 .*'3', '1', '2', '2'\]; expected"),
        (HEADER + 'train,a,bike,x,1,2,2\n', r"Line 2 .*'x'"),
        (HEADER + 'train,a,bike,1\n', 'Line 2 .*None'),
        (HEADER + 'train,a,bike,1,1,2,25\n', '24 x 40 pixels, but boxes.csv has a box to row 24'),
        (HEADER + 'train,z,bike,1,1,2,2\n', 'names the image z, which is in none'),
        (HEADER, "has no box of split 'train'; expected at least one"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, message: str, folder: Path) -> None:
    (folder / 'boxes.csv').write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset('carla_boxes', folder)


def test_missing_and_damaged_files_are_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r'boxes\.csv does not exist; expected the folder with'):
        open_dataset('carla_boxes', folder / 'train')
    cut(folder / 'train/a.webp')
    with pytest.raises(DatasetError, match=r'a\.webp'):
        open_dataset('carla_boxes', folder)
