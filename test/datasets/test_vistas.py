# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mapillary Vistas of either release: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_files import SIZE, write_image, write_labels
from PIL import Image

from hiseg_ros.datasets.vistas import Vistas
from hiseg_ros.errors import DatasetError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy


def vistas_config() -> dict[str, list[dict[str, object]]]:
    mapping = load_mapping('vistas', load_taxonomy('street'))
    names = [label.name for label in mapping.labels] + ['Unlabeled']
    return {'labels': [{'readable': name} for name in names]}


@pytest.fixture(params=['v1.2/labels', 'labels'])
def vistas(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder of two training images and one for validation, newer or older release."""
    for split, keys in (('training', ('aB-c_1', 'zz')), ('validation', ('k0',))):
        for place, key in enumerate(keys):
            write_image(tmp_path / f'{split}/images/{key}.jpg')
            labels = Image.fromarray(np.full(SIZE, 64 + place, np.uint8), 'L')
            labels.putpalette(list(range(3 * 66)))
            path = tmp_path / f'{split}/{request.param}/{key}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            labels.save(path)
    config = 'config_v1.2.json' if request.param != 'labels' else 'config.json'
    (tmp_path / config).write_text(json.dumps(vistas_config()))
    return tmp_path


def test_vistas_gives_palette_indices_of_either_release(vistas: Path) -> None:
    dataset = Vistas(vistas)
    assert dataset.mapping_name == 'vistas'
    assert [dataset[i].name for i in range(len(dataset))] == ['aB-c_1', 'zz']
    assert [int(dataset[i].label_ids.max()) for i in range(len(dataset))] == [64, 65]
    assert Vistas(vistas, 'val')[0].name == Vistas(vistas, 'validation')[0].name == 'k0'


def test_vistas_prefers_the_labels_of_its_version(tmp_path: Path) -> None:
    """A folder with both releases unpacked over each other."""
    write_image(tmp_path / 'training/images/a.jpg')
    write_labels(tmp_path / 'training/labels/a.png', 1)
    write_labels(tmp_path / 'training/v1.2/labels/a.png', 2)
    (tmp_path / 'config_v1.2.json').write_text(json.dumps(vistas_config()))
    assert (Vistas(tmp_path)[0].label_ids == 2).all()


def test_vistas_refuses_another_list_of_labels(vistas: Path) -> None:
    """The labels of version 2.0 are others under the same numbers."""
    path = next(vistas.glob('config*.json'))
    good = vistas_config()['labels']
    swapped = [good[1], good[0], *good[2:]]
    for labels, message in (
        (swapped, r"has 'Ground Animal' at place 0 of 66; expected 'Bird'"),
        (good[:60], r"has no label at place 60 of 60; expected 'Trailer'"),
        ([*good, {'readable': 'Parking Meter'}], 'has 67 labels; expected the 65'),
    ):
        path.write_text(json.dumps({'labels': labels}))
        with pytest.raises(DatasetError, match=message):
            Vistas(vistas)
    for text in ('', '[]', '{"labels": [1]}', '{"labels": 3}', '\x00'):
        path.write_text(text)
        with pytest.raises(DatasetError, match='has no list of labels'):
            Vistas(vistas)
    path.unlink()
    with pytest.raises(DatasetError, match=r'config_v1\.2\.json is missing'):
        Vistas(vistas)


def test_vistas_names_what_is_missing_when_it_is_opened(vistas: Path) -> None:
    labels = next(vistas.glob('training/**/zz.png'))
    write_labels(labels, 66)
    with pytest.raises(DatasetError, match=r'zz\.png has the label id 66; expected 0 to 65'):
        Vistas(vistas)[1]
    labels.unlink()
    with pytest.raises(DatasetError, match=r'zz\.png is missing, the partner of .*zz\.jpg'):
        Vistas(vistas)
    with pytest.raises(DatasetError, match='testing/images does not exist'):
        Vistas(vistas, 'testing')
