# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image files and label files of every kind: what is read, written and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.errors import ImageError
from hiseg_ros.images import file as image_file
from hiseg_ros.images.file import image_size, read_ids, read_image, read_label_ids, write_image

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (9, 14, 3), np.uint8)
IDS = RNG.integers(0, 256, (9, 14), np.uint8)


@pytest.mark.parametrize('suffix', ['.png', '.ppm', '.bmp', '.tiff', '.webp'])
def test_what_is_written_is_read_back_red_first(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'x{suffix}'
    write_image(path, RGB)
    found = read_image(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)
    assert image_size(path) == (9, 14)


def test_a_jpeg_is_read_as_the_node_decodes_it(tmp_path: Path) -> None:
    """The same file gives the same pixels, whichever way it comes in."""
    from types import SimpleNamespace

    from hiseg_ros.images.image_message import decode_compressed

    path = tmp_path / 'x.jpg'
    write_image(path, np.repeat(np.repeat(RGB, 8, 0), 8, 1))
    data = np.frombuffer(path.read_bytes(), np.uint8)
    node = decode_compressed(SimpleNamespace(format='jpeg', data=data))
    np.testing.assert_allclose(read_image(path).astype(int), node, atol=1)


def test_ids_keep_every_value_of_grey_palette_and_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / 'x.png'
    write_image(path, IDS)
    np.testing.assert_array_equal(read_label_ids(path), IDS)
    palette = Image.fromarray(IDS)
    palette = palette.convert('P')
    palette.putdata(IDS.reshape(-1).tolist())
    palette.putpalette(RNG.integers(0, 256, 768, np.uint8).tolist())
    palette.save(path)
    np.testing.assert_array_equal(read_label_ids(path), IDS)
    wide = IDS.astype(np.uint16) * 257
    write_image(path, wide)
    np.testing.assert_array_equal(read_ids(path), wide)
    with pytest.raises(ImageError, match=r'uint16; expected one byte a pixel'):
        read_label_ids(path)


@pytest.mark.parametrize('kind', ['GIF', 'TIFF', 'BMP', 'WEBP'])
def test_a_claim_of_too_many_pixels_is_refused_in_every_format(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is decoded."""
    path = tmp_path / 'x.png'
    Image.fromarray(RGB).save(path, kind)
    monkeypatch.setattr('hiseg_ros.images.header.MAX_PIXELS', 9 * 14 - 1)
    for read in (read_image, read_ids, image_size):
        with pytest.raises(ImageError, match=rf'x\.png .*A {kind} claims 14x9 pixels; expected'):
            read(path)


def test_a_format_that_runs_a_program_is_refused(tmp_path: Path) -> None:
    """Pillow would start Ghostscript for it."""
    path = tmp_path / 'x.png'
    Image.fromarray(RGB).save(path, 'EPS')
    for read in (read_image, read_ids, image_size):
        with pytest.raises(ImageError, match=r'x\.png is missing or not a readable'):
            read(path)


def test_a_file_that_is_too_large_or_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would block for ever."""
    path = tmp_path / 'x.png'
    write_image(path, RGB)
    monkeypatch.setattr(image_file, 'MAX_FILE_BYTES', path.stat().st_size - 1)
    for found in (path, tmp_path, tmp_path / 'absent.png'):
        for read in (read_image, read_ids, image_size):
            with pytest.raises(ImageError, match='is missing or not a readable'):
                read(found)
