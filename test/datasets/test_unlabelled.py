# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folders of images without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets import mapping_of, open_dataset
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_taxonomy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two images in it, one below, and a text."""
    for index, name in enumerate(('b.png', 'a.jpg', 'below/c.png')):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 8, 3), 40 * index, np.uint8)).save(path)
    (tmp_path / 'note.txt').write_text('no image')
    return tmp_path


def test_every_pixel_is_unlabeled(folder: Path) -> None:
    """Images in the order of their names, other files left alone."""
    found = open_dataset('unlabelled', folder)
    assert [found[i].name for i in range(len(found))] == ['a', 'b']
    assert found[0].image.shape == (6, 8, 3)
    assert found[0].label_ids.shape == (6, 8)
    assert (found[0].label_ids == 255).all()
    assert 255 in mapping_of('unlabelled', load_taxonomy('street')).unlabeled_ids


def test_a_pattern_and_a_limit_choose_images(folder: Path) -> None:
    assert open_dataset('unlabelled', folder, {'images': '*/*.png'})[0].name == 'c'
    assert len(open_dataset('unlabelled', folder, {'images': '**/*', 'limit': 2})) == 2


def test_what_cannot_be_used_is_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r'has no image \*\.webp'):
        open_dataset('unlabelled', folder, {'images': '*.webp'})
    with pytest.raises(ConfigError, match='options'):
        open_dataset('unlabelled', folder, {'split': 'train'})
    path = folder / 'b.png'
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DatasetError, match=r'b\.png'):
        open_dataset('unlabelled', folder)
