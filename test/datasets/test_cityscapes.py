# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: what is read, and what is refused when the folder is opened."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import SIZE, cut, write_image, write_labels

from hiseg_ros.datasets import mapping_of
from hiseg_ros.datasets.cityscapes import Cityscapes
from hiseg_ros.errors import DatasetError
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.data.label_table import IGNORED, UNKNOWN, LabelTable

Fault = tuple[Callable[[Path], object], str]


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Return a folder of three train images in two cities and one val image."""
    for name, value in (
        ('train/aachen/aachen_000000_000019', 10),
        ('train/aachen/aachen_000001_000019', 20),
        ('train/bochum/bochum_000000_000313', 30),
        ('val/lindau/lindau_000000_000019', 40),
    ):
        write_image(tmp_path / f'leftImg8bit/{name}_leftImg8bit.png', value)
        write_labels(tmp_path / f'gtFine/{name}_gtFine_labelIds.png', value // 10)
        write_labels(tmp_path / f'gtFine/{name}_gtFine_instanceIds.png')
    write_image(tmp_path / 'leftImg8bit/train_extra/erlangen/e_000000_000000_leftImg8bit.png')
    write_labels(tmp_path / 'gtCoarse/train_extra/erlangen/e_000000_000000_gtCoarse_labelIds.png')
    return tmp_path


AACHEN = 'train/aachen/aachen_000000_000019'


CITYSCAPES_FAULTS: dict[str, Fault] = {
    'no label file': (
        lambda root: (root / f'gtFine/{AACHEN}_gtFine_labelIds.png').unlink(),
        r'gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds\.png is missing, the partner',
    ),
    'no image': (
        lambda root: (root / f'leftImg8bit/{AACHEN}_leftImg8bit.png').unlink(),
        r'aachen_000000_000019_leftImg8bit\.png is missing, the partner .*1 of 2 files',
    ),
    'a city without labels': (
        lambda root: shutil.rmtree(root / 'gtFine/train/bochum'), 'bochum.* is missing',
    ),
    'a city without images': (
        lambda root: shutil.rmtree(root / 'leftImg8bit/train/bochum'), 'has no file .*bochum',
    ),
    'no labels at all': (
        lambda root: shutil.rmtree(root / 'gtFine'), r'gtFine/train does not exist',
    ),
    'an empty split': (
        lambda root: [shutil.rmtree(root / f'{top}/train/{city}')
                      for top in ('leftImg8bit', 'gtFine') for city in ('aachen', 'bochum')],
        'leaves no image',
    ),
    'an image that is cut short': (
        lambda root: cut(root / f'leftImg8bit/{AACHEN}_leftImg8bit.png'),
        r'aachen_000000_000019_leftImg8bit\.png is missing or not a readable',
    ),
    'an empty label file': (
        lambda root: (root / f'gtFine/{AACHEN}_gtFine_labelIds.png').write_bytes(b''),
        r'gtFine_labelIds\.png is missing or not a readable',
    ),
    'labels of another size': (
        lambda root: write_labels(root / f'gtFine/{AACHEN}_gtFine_labelIds.png', 7, (24, 39)),
        r'labelIds\.png has size \(24, 39\); expected \(24, 40\)',
    ),
}  # fmt: skip


def test_cityscapes_pairs_each_image_with_its_label_ids(cityscapes: Path) -> None:
    dataset = Cityscapes(cityscapes)
    assert dataset.mapping_name == 'cityscapes'
    samples = [dataset[index] for index in range(len(dataset))]
    assert [sample.name for sample in samples] == [
        'aachen_000000_000019',
        'aachen_000001_000019',
        'bochum_000000_000313',
    ]
    for sample, value in zip(samples, (10, 20, 30), strict=True):
        assert (sample.image == value).all()
        assert sample.image.shape == (*SIZE, 3)
        assert (sample.label_ids == value // 10).all()
        assert sample.label_ids.dtype == np.uint8
    assert Cityscapes(cityscapes, 'val')[0].name == 'lindau_000000_000019'


def test_cityscapes_cities_can_be_kept_or_left_out_and_labels_may_be_coarse(
    cityscapes: Path,
) -> None:
    assert len(Cityscapes(cityscapes, cities=['aachen'])) == 2
    assert Cityscapes(cityscapes, without_cities=['aachen'])[0].name == 'bochum_000000_000313'
    assert len(Cityscapes(cityscapes, 'train_extra', labels='coarse')) == 1
    with pytest.raises(DatasetError, match=r"\['ulm'\] are not in .*expected some of \['aachen'"):
        Cityscapes(cityscapes, cities=['ulm'])
    with pytest.raises(DatasetError, match='leaves no image'):
        Cityscapes(cityscapes, 'val', without_cities=['lindau'])
    with pytest.raises(DatasetError, match="labels are 'polygons'; expected 'fine' or 'coarse'"):
        Cityscapes(cityscapes, labels='polygons')
    with pytest.raises(DatasetError, match="cities are 'aachen'; expected lists"):
        Cityscapes(cityscapes, cities='aachen')


def test_every_label_id_of_cityscapes_has_a_label_set_or_gives_no_gradient(
    cityscapes: Path,
) -> None:
    """0 to 33 and 255, which is -1 in a byte; nothing is unknown."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [mapping_of('cityscapes', taxonomy)])
    label_sets = table.label_set_of_label_id('cityscapes')
    ids = np.array([*range(34), 255])
    assert (label_sets[ids] != UNKNOWN).all()
    assert set(ids[label_sets[ids] == IGNORED].tolist()) == {0, 2, 3, 4, 5, 6, 18, 255}
    path = cityscapes / 'gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png'
    write_labels(path, 255)
    assert (Cityscapes(cityscapes, 'val')[0].label_ids == 255).all()


@pytest.mark.parametrize('fault', CITYSCAPES_FAULTS)
def test_cityscapes_names_what_is_wrong_when_it_is_opened(cityscapes: Path, fault: str) -> None:
    Cityscapes(cityscapes)
    break_it, message = CITYSCAPES_FAULTS[fault]
    break_it(cityscapes)
    with pytest.raises(DatasetError, match=message) as raised:
        Cityscapes(cityscapes)
    assert 'expected' in str(raised.value)
    assert str(cityscapes) in str(raised.value)


def test_a_label_id_that_the_data_set_does_not_have_is_named_with_its_file(
    cityscapes: Path,
) -> None:
    path = cityscapes / 'gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png'
    write_labels(path, 34)
    with pytest.raises(DatasetError, match=rf'{re.escape(str(path))} has the label id 34; exp'):
        Cityscapes(cityscapes, 'val')[0]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(cityscapes: Path) -> None:
    with pytest.raises(DatasetError, match=r"leftImg8bit/vall does not exist .*'train'.*'val'"):
        Cityscapes(cityscapes, 'vall')


def test_a_limit_of_a_data_set_leaves_the_other_files_alone(cityscapes: Path) -> None:
    assert len(Cityscapes(cityscapes, limit=2)) == 2


def test_an_open_data_set_can_be_handed_to_another_process(cityscapes: Path) -> None:
    """As loaders with workers do; nothing of the files' content goes along."""
    dataset = Cityscapes(cityscapes)
    text = pickle.dumps(dataset)
    assert len(text) < 4000
    np.testing.assert_array_equal(pickle.loads(text)[2].image, dataset[2].image)
