# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image and label files: how they are read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets.image_files import image_size, read_image
from hiseg_ros.datasets.sample import read_label_ids
from hiseg_ros.errors import DatasetError


def test_a_label_file_damaged_anywhere_is_no_other_kind_of_error(tmp_path: Path) -> None:
    """Cut or altered bytes either read as labels of some kind or are a DatasetError."""
    path, rng = tmp_path / 'x.png', np.random.default_rng(0)
    ids = Image.fromarray(rng.integers(0, 12, (36, 48), np.uint8), 'L')
    ids.putpalette([value for index in range(12) for value in (index * 20, 7, index)])
    ids.save(path)
    good = path.read_bytes()
    for _ in range(200):
        length = int(rng.integers(8, len(good))) if rng.random() < 0.5 else len(good)
        damaged = bytearray(good[:length])
        for position in rng.integers(0, len(damaged), 3):
            damaged[position] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            assert read_label_ids(path).dtype == np.uint8
        except DatasetError:
            pass


def test_a_label_file_of_colours_or_two_bytes_is_refused(tmp_path: Path) -> None:
    """Colours are no ids; two bytes would be cut."""
    path = tmp_path / 'x.png'
    for array in (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint16)):
        cv2.imwrite(str(path), array)
        with pytest.raises(DatasetError, match=r'expected one byte a pixel'):
            read_label_ids(path)


def test_an_image_is_read_red_first(tmp_path: Path) -> None:
    """Whatever the file format."""
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 250
    for ending in ('png', 'ppm', 'webp', 'jpg'):
        path = tmp_path / f'x.{ending}'
        Image.fromarray(red).save(path)
        found = read_image(path)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - red).max() < 10


@pytest.mark.parametrize('ending', ['png', 'jpg', 'webp', 'ppm'])
def test_an_image_that_is_cut_short_is_noticed_without_and_with_decoding(
    tmp_path: Path, ending: str
) -> None:
    """A JPEG decoder fills up with grey, which would train as an image."""
    path = tmp_path / f'x.{ending}'
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8)).save(path)
    assert image_size(path) == (50, 70)
    assert read_image(path).shape == (50, 70, 3)
    whole = path.read_bytes()
    path.write_bytes(whole + b'\0' * 10)
    assert image_size(path) == (50, 70), 'what is appended does no harm'
    for length in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        for read in (image_size, read_image):
            with pytest.raises(DatasetError, match=rf'x\.{ending} is missing or not a readable'):
                read(path)


def test_an_image_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    path = tmp_path / 'x.jpg'
    image = np.zeros((16, 48, 3), np.uint8)
    image[:, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    Image.fromarray(image).save(path, exif=exif)
    assert image_size(path) == (48, 16)
    turned = read_image(path)
    assert turned.shape == (48, 16, 3)
    assert turned[:12].min() > 200
    assert turned[20:].max() < 50


def test_an_image_of_two_bytes_a_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'x.png'
    Image.fromarray(np.full((4, 5), 3000, np.uint16)).save(path)
    with pytest.raises(DatasetError, match="mode 'I;16'.*; expected one byte a colour"):
        read_image(path)
