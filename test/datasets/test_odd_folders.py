# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folders of labelled images as other systems leave them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets.camvid import CamVid
from hiseg_ros.datasets.cityscapes import Cityscapes
from hiseg_ros.datasets.folder import LabelledFolder
from hiseg_ros.datasets.gtsdb import Gtsdb
from hiseg_ros.datasets.unlabelled import UnlabelledImages
from hiseg_ros.errors import DatasetError
from hiseg_ros.evaluation.train_ids import TrainIdWatch
from hiseg_ros.replay.truth import TruthFolder
from hiseg_ros.taxonomy import load_mapping, load_taxonomy

SIZE = (8, 12)
LABELS = np.arange(96).reshape(SIZE).astype(np.uint8) % 11


def write(path: Path, pixels: np.ndarray, orientation: int = 0) -> None:
    """Write an image file, perhaps with an EXIF orientation, and what macOS puts beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    path.with_name(f'._{path.name}').write_bytes(b'\0\5\x16\7\0\2\0\0Mac OS X        ')
    (path.parent / '.DS_Store').write_bytes(b'\0\0\0\1Bud1')


RGB = np.zeros((*SIZE, 3), np.uint8)


def test_files_of_macos_are_no_images(tmp_path: Path) -> None:
    """By no loader, nor as ground truth in order."""
    for number in range(3):
        write(tmp_path / f'images/{number}.jpg', RGB)
        write(tmp_path / f'labels/{number}.png', LABELS)
        write(tmp_path / f'city/leftImg8bit/train/ulm/ulm_{number}_leftImg8bit.png', RGB)
        write(tmp_path / f'city/gtFine/train/ulm/ulm_{number}_gtFine_labelIds.png', LABELS)
        write(tmp_path / f'signs/0000{number}.ppm', RGB)
    (tmp_path / 'city/leftImg8bit/train/.DS_Store').write_bytes(b'\0\0\0\1Bud1')
    (tmp_path / 'signs/gt.txt').write_text('')
    assert len(LabelledFolder(tmp_path, 'camvid')) == 3
    assert len(UnlabelledImages(tmp_path / 'images')) == 3
    assert len(Cityscapes(tmp_path / 'city')) == 3
    assert len(Gtsdb(tmp_path / 'signs', part='all', negatives=True)) == 3
    assert TruthFolder(tmp_path / 'labels', 3).at(0, 0, 0) is not None


@pytest.mark.parametrize('forms', [('NFC', 'NFD'), ('NFD', 'NFC'), ('NFD', 'NFD')])
def test_accented_names_pair_in_either_unicode_form(
    tmp_path: Path, forms: tuple[str, str]
) -> None:
    """By pattern and by list, which may begin with a byte-order mark."""
    image, labels = (unicodedata.normalize(form, 'straße_köln_é') for form in forms)
    write(tmp_path / f'images/{image}.jpg', RGB)
    write(tmp_path / f'labels/{labels}.png', LABELS)
    [sample] = list(LabelledFolder(tmp_path, 'camvid'))
    np.testing.assert_array_equal(sample.label_ids, LABELS)
    listed = unicodedata.normalize('NFC', 'straße_köln_é')
    text = f'images/{listed}.jpg labels/{listed}.png\n'
    (tmp_path / 'val.txt').write_text(text, 'utf-8-sig')
    [sample] = list(CamVid(tmp_path, 'val'))
    np.testing.assert_array_equal(sample.label_ids, LABELS)


def test_one_name_in_two_unicode_forms_is_refused(tmp_path: Path) -> None:
    """Instead of taking one of the two."""
    for form in ('NFC', 'NFD'):
        name = unicodedata.normalize(form, 'é')
        write(tmp_path / f'images/{name}.jpg', RGB)
        write(tmp_path / f'labels/{name}.png', LABELS)
    with pytest.raises(DatasetError, match='same name in two Unicode forms'):
        LabelledFolder(tmp_path, 'camvid')


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_labels_of_a_turned_image_are_refused_with_the_reason(
    tmp_path: Path, orientation: int
) -> None:
    """Drawn on the pixels as stored; drawn on the turned image they fit."""
    write(tmp_path / 'images/a.jpg', RGB, orientation)
    write(tmp_path / 'labels/a.png', LABELS)
    with pytest.raises(DatasetError, match=r'EXIF orientation .*turns the image by a quarter'):
        LabelledFolder(tmp_path, 'camvid')
    write(tmp_path / 'labels/a.png', LABELS.T)
    [sample] = list(LabelledFolder(tmp_path, 'camvid'))
    assert sample.image.shape[:2] == sample.label_ids.shape == SIZE[::-1]
    write(tmp_path / 'images/a.jpg', RGB)
    with pytest.raises(DatasetError, match='same release'):
        LabelledFolder(tmp_path, 'camvid')


STREET = np.repeat([0, 0, 0, 1, 2, 2, 8, 10, 13, 255, 0, 2], 8).reshape(12, 8).T.astype(np.uint8)
"""trainIds of a street: road, sidewalk, building, vegetation, sky, car."""


@pytest.mark.parametrize('count', [1, 2, 3, 5])
@pytest.mark.parametrize('mapping', ['cityscapes', 'cityscapes_labelids'])
def test_train_ids_are_noticed_where_label_ids_are_expected(mapping: str, count: int) -> None:
    """At the third image, or at the end."""
    watch = TrainIdWatch(load_mapping(mapping, load_taxonomy('street')))
    with pytest.raises(DatasetError, match=r'trainIds .*--mapping cityscapes_trainids'):
        for _ in range(count):
            watch.add(STREET)
        assert count < 3
        watch.finish()


VOID = np.zeros(SIZE, np.uint8)


@pytest.mark.parametrize(
    ('mapping', 'images'),
    [
        ('camvid', [LABELS] * 4),
        ('cityscapes', [np.where(STREET == 10, 23, STREET), STREET, STREET, STREET]),
        ('cityscapes', [VOID + 3] * 4),
        ('cityscapes', [np.full(SIZE, 7, np.uint8)] * 4),
        ('cityscapes', [STREET + 7] * 4),
        ('cityscapes', []),
    ],
)
def test_label_ids_and_other_sets_pass(mapping: str, images: list[np.ndarray]) -> None:
    """Also images of void alone, as those of Cityscapes' test split, and tunnels."""
    watch = TrainIdWatch(load_mapping(mapping, load_taxonomy('street')))
    for label_ids in images:
        watch.add(label_ids.astype(np.uint8))
    watch.finish()
