# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""GTSDB, read from a small folder in exactly its publishers' formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets.gtsdb import Gtsdb
from hiseg_ros.datasets.sample import Box
from hiseg_ros.datasets.sign_types import OUTSIDE_ALL_BOXES
from hiseg_ros.errors import DatasetError

SIZE = (36, 48)


# Lines of gt.txt: file, left, top, right, bottom (inclusive), class.
GT = """00000.ppm;10;5;29;24;1
00001.ppm;2;3;21;22;13
00001.ppm;30;10;45;25;40
00005.ppm;20;0;39;19;14
00007.ppm;0;0;15;15;12
00010.ppm;10;5;29;24;11
"""


def write_gtsdb(root: Path, layout: str) -> None:
    """Write gt.txt with NNNNN.ppm beside it or images/NNNNN.webp below it."""
    (root / 'images').mkdir()
    (root / 'gt.txt').write_text(GT)
    for number in (0, 1, 5, 7, 10):
        image = np.full((*SIZE, 3), (250, 10 * number, 30), np.uint8)
        if layout == 'ppm':
            Image.fromarray(image).save(root / f'{number:05d}.ppm')
        else:
            Image.fromarray(image).save(root / 'images' / f'{number:05d}.webp', lossless=True)


@pytest.fixture(params=['ppm', 'webp'])
def gtsdb(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a GTSDB folder of five images in the publisher's or the smaller format."""
    write_gtsdb(tmp_path, request.param)
    return tmp_path


def test_gtsdb_gives_images_boxes_and_label_ids(gtsdb: Path) -> None:
    """Images as stored, boxes as listed, in the order of the images' numbers."""
    dataset = Gtsdb(gtsdb)
    assert len(dataset) == 5
    assert dataset.mapping_name == 'gtsdb'
    sample = dataset[1]
    assert sample.name == '00001'
    assert sample.image.shape == (*SIZE, 3)
    assert (sample.image == (250, 10, 30)).all()
    assert sample.boxes == (Box(2, 3, 21, 22, 13), Box(30, 10, 45, 25, 40))
    assert dataset.boxes(1) == sample.boxes
    assert set(np.unique(sample.label_ids).tolist()) == {13, 40, OUTSIDE_ALL_BOXES, 255}


def test_the_held_out_part_and_the_rest_are_disjoint_and_complete(gtsdb: Path) -> None:
    """By the image's number, so that the split never depends on what is listed."""
    names = {
        part: {Gtsdb(gtsdb, part)[i].name for i in range(len(Gtsdb(gtsdb, part)))}
        for part in ('train', 'held_out', 'all')
    }
    assert names['held_out'] == {'00000', '00005', '00010'}
    assert names['train'] == {'00001', '00007'}
    assert names['all'] == names['train'] | names['held_out']
    other = Gtsdb(gtsdb, 'held_out', held_out_every=7)
    assert {other[i].name for i in range(len(other))} == {'00000', '00007'}


def test_inside_a_box_the_shape_is_labelled_the_corner_is_not_and_outside_is_outside(
    gtsdb: Path,
) -> None:
    """A round sign in (10, 5)-(29, 24): centre, corner, and one pixel beyond each side."""
    label_ids = Gtsdb(gtsdb)[0].label_ids
    assert label_ids[14, 19] == 1
    assert label_ids[5, 19] == 1, 'the shape touches the sides of its box'
    assert label_ids[14, 10] == label_ids[14, 29] == label_ids[24, 19] == 1
    for y, x in ((5, 10), (5, 29), (24, 10), (24, 29)):
        assert label_ids[y, x] == 255
    for y, x in ((4, 19), (25, 19), (14, 9), (14, 30), (0, 0), (35, 47)):
        assert label_ids[y, x] == OUTSIDE_ALL_BOXES


def test_gtsdb_without_gt_txt_says_what_it_expected(tmp_path: Path) -> None:
    """A wrong folder."""
    with pytest.raises(DatasetError, match=r'gt\.txt does not exist; expected the GTSDB folder'):
        Gtsdb(tmp_path)


@pytest.mark.parametrize(
    'line',
    [
        '',
        'x',
        '00001.ppm;1;2;3;4',
        '00001.ppm;1;2;3;4;5;6',
        '00001.ppm;a;2;3;4;5',
        'picture.ppm;1;2;3;4;5',
        '00001.ppm;1.5;2;3;4;5',
        '\xff\xfe;1;2;3;4;5',
        '00001.ppm;3;2;3;4;5',
        '00001.ppm;1;9;3;4;5',
        '00001.ppm;-1;2;3;4;5',
        '00001.ppm;1;2;3;4;43',
        '00001.ppm;1;2;3;4;-1',
    ],
)
def test_gtsdb_names_the_line_that_is_wrong(tmp_path: Path, line: str) -> None:
    """Number of fields, numbers, order of corners, class."""
    (tmp_path / 'gt.txt').write_bytes(b'00000.ppm;1;2;3;4;5\n' + line.encode('latin-1') + b'\n')
    with pytest.raises(DatasetError, match=r'Line 2 of .*gt\.txt is .*; expected'):
        Gtsdb(tmp_path)


def test_gtsdb_refuses_unknown_parts_and_empty_ones(gtsdb: Path) -> None:
    """A misspelt part, a step of zero, a part that holds nothing."""
    with pytest.raises(DatasetError, match=r"part is 'val'; expected 'train'"):
        Gtsdb(gtsdb, 'val')
    with pytest.raises(DatasetError, match='held_out_every is 0'):
        Gtsdb(gtsdb, 'train', held_out_every=0)
    with pytest.raises(DatasetError, match="no image in part 'train'"):
        Gtsdb(gtsdb, 'train', held_out_every=1)
    (gtsdb / 'gt.txt').write_text('')
    with pytest.raises(DatasetError, match="no image in part 'all'"):
        Gtsdb(gtsdb)


def test_a_missing_gtsdb_image_is_named(gtsdb: Path) -> None:
    """By the publisher's name for it."""
    for path in (gtsdb / '00001.ppm', gtsdb / 'images' / '00001.webp'):
        path.unlink(missing_ok=True)
    with pytest.raises(DatasetError, match=r'00001\.ppm is missing'):
        Gtsdb(gtsdb)[1]


def test_gtsdb_is_found_in_the_folder_around_the_publishers(tmp_path: Path) -> None:
    """FullIJCNN2013 as it unpacks, named by itself or by what it lies in."""
    folder = tmp_path / 'FullIJCNN2013'
    folder.mkdir()
    write_gtsdb(folder, 'ppm')
    assert len(Gtsdb(tmp_path)) == len(Gtsdb(folder)) == 5
    assert (Gtsdb(tmp_path)[1].image == (250, 10, 30)).all()


def test_the_benchmarks_own_test_images_are_a_part_of_their_own(gtsdb: Path) -> None:
    """FullIJCNN2013 holds them beside the training images; nothing trains on them unasked."""
    for number in (600, 899, 900):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(gtsdb / f'{number:05d}.ppm')
        with (gtsdb / 'gt.txt').open('a') as file:
            file.write(f'{number:05d}.ppm;1;1;9;9;3\n')
    test = Gtsdb(gtsdb, 'test')
    assert [test[i].name for i in range(len(test))] == ['00600', '00899']
    for part in ('train', 'held_out', 'all'):
        other = Gtsdb(gtsdb, part)
        assert not {other[i].name for i in range(len(other))} & {'00600', '00899'}
    assert len(Gtsdb(gtsdb, 'all')) == 6


def test_gtsdb_images_without_signs_are_taken_when_asked_for(gtsdb: Path) -> None:
    """They are outside all boxes everywhere."""
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(gtsdb / '00003.ppm')
    assert len(Gtsdb(gtsdb)) == 5
    dataset = Gtsdb(gtsdb, negatives=True)
    assert len(dataset) == 6
    assert dataset[2].name == '00003'
    assert dataset[2].boxes == ()
    assert (dataset[2].label_ids == OUTSIDE_ALL_BOXES).all()
    assert len(Gtsdb(gtsdb, negatives=True, limit=2)) == 2


def write_masks(root: Path, folder: str, values: int | None = None) -> None:
    """Write the published masks: 2000 + class in the whole box, 0 elsewhere."""
    (root / folder).mkdir(exist_ok=True)
    dataset = Gtsdb(root)
    for index in range(len(dataset)):
        mask = np.zeros(SIZE, np.uint16)
        for box in dataset.boxes(index):
            value = 2000 + box.label_id if values is None else values
            mask[box.y1 + 2 : box.y2 + 1, box.x1 : box.x2 + 1] = value
        Image.fromarray(mask).save(root / folder / f'{dataset[index].name}_labelIds.png')


@pytest.mark.parametrize(('labels', 'folder'), [('fine', 'gtFine'), ('coarse', 'gtCoarse')])
def test_published_masks_label_instead_of_shapes(gtsdb: Path, labels: str, folder: str) -> None:
    """A pixel that they leave out is unlabeled in a box and outside elsewhere."""
    with pytest.raises(DatasetError, match=rf'{folder}/0000._labelIds\.png is missing'):
        Gtsdb(gtsdb, labels=labels)
    write_masks(gtsdb, folder)
    sample = Gtsdb(gtsdb, labels=labels)[0]
    assert sample.label_ids.dtype == np.uint8
    assert (sample.label_ids[7:25, 10:30] == 1).all()
    assert (sample.label_ids[5:7, 10:30] == 255).all()
    assert (sample.label_ids == OUTSIDE_ALL_BOXES).sum() == SIZE[0] * SIZE[1] - 20 * 20


def test_masks_of_other_values_or_sizes_are_refused(gtsdb: Path) -> None:
    """43 would be outside; 2043 is in the list of names alone."""
    for value in (7, 1999, 2043, 65535):
        write_masks(gtsdb, 'gtFine', value)
        with pytest.raises(DatasetError, match=rf'_labelIds\.png has the value {value}; expected'):
            Gtsdb(gtsdb, labels='fine')[0]
    path = gtsdb / 'gtFine' / '00000_labelIds.png'
    Image.fromarray(np.zeros((3, 4), np.uint16)).save(path)
    with pytest.raises(DatasetError, match=r'has size \(3, 4\); expected \(36, 48\)'):
        Gtsdb(gtsdb, labels='fine')
    with pytest.raises(DatasetError, match="labels are 'masks'; expected 'boxes'"):
        Gtsdb(gtsdb, labels='masks')


def test_gtsdb_is_checked_when_it_is_opened(gtsdb: Path) -> None:
    """Before anything is trained on it."""
    with (gtsdb / 'gt.txt').open('a') as file:
        file.write('00002.ppm;1;1;9;9;1\n')
    with pytest.raises(DatasetError, match=r'00002\.ppm is missing'):
        Gtsdb(gtsdb)
    Image.fromarray(np.zeros((9, 48, 3), np.uint8)).save(gtsdb / '00002.ppm')
    with pytest.raises(DatasetError, match=r'9 x 48 pixels, but gt\.txt has a box'):
        Gtsdb(gtsdb)


def test_a_box_beyond_its_image_is_refused(gtsdb: Path) -> None:
    """The images were resized, and their boxes were not."""
    with (gtsdb / 'gt.txt').open('a') as file:
        file.write('00007.ppm;40;5;48;24;1\n')
    with pytest.raises(DatasetError, match=r'36 x 48 pixels, but gt\.txt has a box .* column 48'):
        Gtsdb(gtsdb)[3]
