# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""CamVid, read from a small folder in exactly its format."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets.camvid import CamVid
from hiseg_ros.errors import DatasetError

SIZE = (36, 48)


def write_camvid(root: Path, names: dict[str, tuple[str, ...]]) -> None:
    """Write images/<split>/x.jpg, labels/<split>/x.png (palette) and <split>.txt."""
    rng = np.random.default_rng(0)
    for split, stems in names.items():
        lines = []
        for stem in stems:
            image, label = f'images/{split}/{stem}.jpg', f'labels/{split}/{stem}.png'
            for path in (image, label):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(root / image)
            ids = Image.fromarray(rng.integers(0, 12, SIZE, np.uint8), 'L')
            ids.putpalette([value for index in range(12) for value in (index * 20, 7, index)])
            ids.save(root / label)
            lines.append(f'{image} {label}\n')
        (root / f'{split}.txt').write_text(''.join(lines))


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Return a CamVid folder of five train and one val images from three drives."""
    write_camvid(
        tmp_path,
        {
            'train': (
                '0001TP_006690',
                '0006R0_f00930',
                '0006R0_f00960',
                '0016E5_00390',
                '0016E5_00420',
            ),
            'val': ('0016E5_07959',),
        },
    )
    return tmp_path


def test_camvid_gives_the_images_and_label_ids_of_its_list(camvid: Path) -> None:
    """In the list's order, with palette indices as label ids."""
    dataset = CamVid(camvid)
    assert len(dataset) == 5
    assert dataset.mapping_name == 'camvid'
    assert len(CamVid(camvid, 'val')) == 1
    sample = dataset[1]
    assert sample.name == '0006R0_f00930'
    expected = np.array(Image.open(camvid / 'images/train/0006R0_f00930.jpg'))
    assert np.abs(sample.image.astype(int) - expected).mean() < 2  # two JPEG decoders, RGB both
    with Image.open(camvid / 'labels/train/0006R0_f00930.png') as opened:
        assert opened.mode == 'P'
        np.testing.assert_array_equal(sample.label_ids, np.array(opened))
    assert sample.image.shape == (*SIZE, 3)
    assert sample.label_ids.shape == SIZE
    assert sample.label_ids.dtype == np.uint8
    assert sample.boxes == ()


def test_camvid_drives_can_be_kept_or_left_out(camvid: Path) -> None:
    """A held-out drive and the rest are disjoint and together complete."""
    held = CamVid(camvid, drives=['0006R0'])
    rest = CamVid(camvid, without_drives=['0006R0'])
    held_names = {held[i].name for i in range(len(held))}
    rest_names = {rest[i].name for i in range(len(rest))}
    assert held_names == {'0006R0_f00930', '0006R0_f00960'}
    assert rest_names == {'0001TP_006690', '0016E5_00390', '0016E5_00420'}


def test_camvid_without_its_list_says_what_it_expected(tmp_path: Path) -> None:
    """A wrong folder, or a split that does not exist."""
    with pytest.raises(DatasetError, match=r'train\.txt does not exist; expected the CamVid'):
        CamVid(tmp_path)


def test_camvid_names_the_line_that_is_wrong(camvid: Path) -> None:
    """Absolute paths with blanks, or one path alone, or binary noise."""
    for text in (b'a.jpg b.png\nonly.jpg\n', b'a.jpg b.png\na b c\n', b'a b\n\xff\xfe\x00\n'):
        (camvid / 'train.txt').write_bytes(text)
        with pytest.raises(DatasetError, match=r'Line 2 of .*train\.txt is .*; expected two'):
            CamVid(camvid)


def test_camvid_that_leaves_no_image_is_refused(camvid: Path) -> None:
    """A misspelt drive is not an empty dataset."""
    with pytest.raises(DatasetError, match=r"no image with drives=\['0005VD'\]"):
        CamVid(camvid, drives=['0005VD'])
    (camvid / 'val.txt').write_text('')
    with pytest.raises(DatasetError, match='no image'):
        CamVid(camvid, 'val')


def test_camvid_refuses_labels_of_another_size(camvid: Path) -> None:
    """They would train the wrong pixels."""
    path = camvid / 'labels/val/0016E5_07959.png'
    Image.fromarray(np.zeros((10, 48), np.uint8)).save(path)
    with pytest.raises(DatasetError, match=r'9\.png has size \(10, 48\); expected \(36, 48\)'):
        CamVid(camvid, 'val')[0]


def test_camvid_is_checked_when_it_is_opened(camvid: Path) -> None:
    """The first pair of the chosen ones that cannot be used."""
    path = camvid / 'labels/train/0006R0_f00930.png'
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DatasetError, match=r'0006R0_f00930\.png is missing or not a readable'):
        CamVid(camvid)
    assert len(CamVid(camvid, without_drives=['0006R0'])) == 3
    assert len(CamVid(camvid, without_drives=['0006R0'], limit=2)) == 2


def test_a_camvid_label_beyond_its_classes_is_named(camvid: Path) -> None:
    """The 32 classes of the original dataset are not these 11."""
    path = camvid / 'labels/val/0016E5_07959.png'
    Image.fromarray(np.full(SIZE, 12, np.uint8)).save(path)
    with pytest.raises(DatasetError, match=r'07959\.png has the label id 12; expected 0 to 11'):
        CamVid(camvid, 'val')[0]


def test_a_missing_or_damaged_image_is_named(camvid: Path) -> None:
    """Image and label file alike."""
    image, label = camvid / 'images/val/0016E5_07959.jpg', camvid / 'labels/val/0016E5_07959.png'
    good_image, good_label = image.read_bytes(), label.read_bytes()
    for path, good in ((image, good_image), (label, good_label)):
        for content in (None, b'', b'noise' * 50):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            with pytest.raises(DatasetError, match=re.escape(str(path))):
                CamVid(camvid, 'val')[0]
        path.write_bytes(good)
