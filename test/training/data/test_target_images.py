# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a target: any kind of place, enough of them, never a label or the source's own."""

from __future__ import annotations

from pathlib import Path, PurePath

import cv2
import numpy as np
import pytest
from target_images import draw_target, target_image

from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.datasets import open_dataset
from hiseg_ros.datasets.label_folders import is_in_label_folder
from hiseg_ros.datasets.layout import Layout, read_layout
from hiseg_ros.datasets.paired_files import filled
from hiseg_ros.errors import DatasetError
from hiseg_ros.resources import config_path
from hiseg_ros.training.config.adaptation import TargetConfig
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.data import target_images
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.data.target_images import check_differs, read_target, target_set


def test_a_folder_a_bag_and_a_video_give_the_same_number_of_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = [target_image(rng) for _ in range(9)]
    folder = tmp_path / 'folder'
    folder.mkdir()
    for number, rgb in enumerate(images):
        cv2.imwrite(str(folder / f'{number}.png'), rgb[..., ::-1])
    write_camera_bag(tmp_path / 'bag', [Frame(rgb) for rgb in images], 10.0, compressed=False)
    writer = cv2.VideoWriter(
        str(tmp_path / 'video.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 64)
    )
    for rgb in images:
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    writer.release()
    for name, tolerance in (('folder', 0), ('bag', 0), ('video.avi', 12)):
        found = read_target(TargetConfig(str(tmp_path / name)))
        assert len(found) == 9
        for one, expected in zip(found, images, strict=True):
            difference = np.abs(one.astype(int) - expected)
            assert difference.mean() <= tolerance


def test_images_are_chosen_by_number_name_and_spread(tmp_path: Path) -> None:
    folder = draw_target(tmp_path / 'target', 20)
    assert len(read_target(TargetConfig(str(folder), images=9))) == 9
    assert len(read_target(TargetConfig(str(folder), names=('day1',)))) == 10
    assert len(read_target(TargetConfig(str(folder), without=('day1',)))) == 10
    chosen = read_target(TargetConfig(str(folder), numbers=tuple(range(4, 12))))
    whole = read_target(TargetConfig(str(folder)))
    assert all(np.array_equal(a, b) for a, b in zip(chosen, whole[4:12], strict=True))
    small = read_target(TargetConfig(str(folder), height=32))
    assert {one.shape for one in small} == {(32, 32, 3)}
    with pytest.raises(DatasetError, match=r'no image 20; expected numbers below 20'):
        read_target(TargetConfig(str(folder), numbers=(20,)))
    with pytest.raises(DatasetError, match=r'no image left'):
        read_target(TargetConfig(str(folder), names=('night',)))


def test_labels_are_not_read(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a dataset's folder the images are the target; its label files are left alone."""
    from hiseg_ros.retrieval import sources

    opened: list[Path] = []
    original = sources.read_image

    def read(path: Path) -> np.ndarray:
        opened.append(path)
        return original(path)

    monkeypatch.setattr(sources, 'read_image', read)
    assert len(read_target(TargetConfig(str(camvid)))) == 16
    assert len(opened) == 16
    assert {path.parent.parent.name for path in opened} == {'images'}


LAYOUTS = sorted(path.stem for path in config_path('layouts').glob('*.yaml'))


def paths_of(layout: Layout, split: str) -> tuple[set[str], set[str]]:
    """Return the paths of eight images and of their labels in each place of a layout."""
    images, labels = set[str](), set[str]()
    for place in layout.places:
        for number in map(str, range(8)):
            for pattern in place.images:
                stars = ['a'] * (pattern.count('*') - 1) + [number]
                folder = layout.splits[split].folder
                images.add(filled(pattern.replace('{split}', folder), stars))
                labels.add(filled(place.labels.replace('{split}', folder), stars))
    return images, labels


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize('name', LAYOUTS)
def test_labels_of_no_layout_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, split: str
) -> None:
    from hiseg_ros.retrieval import sources

    images, labels = paths_of(read_layout(name), split)
    for path in images | labels:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    opened: list[Path] = []

    def read(path: Path) -> np.ndarray:
        opened.append(path)
        return target_image(np.random.default_rng(1))

    monkeypatch.setattr(sources, 'read_image', read)
    read_target(TargetConfig(str(tmp_path)))
    assert {path.relative_to(tmp_path).as_posix() for path in opened} == images


def test_renderings_of_labels_are_in_folders_of_labels() -> None:
    for name in (
        'training/semantic_rgb/000000_10.png',
        'VOCdevkit/VOC2012/SegmentationObject/2007_000032.png',
        'ss_color/ss_color_0001.png',
        'seg/color_labels/train/0a0a_train_color.png',
        'labels/sem_seg/colormaps/train/0a0a.png',
        'GT/COLOR/0000000.png',
        'training/v1.2/instances/a.png',
        'test_labels/0016E5_00390_L.png',
    ):
        assert is_in_label_folder(PurePath(name)), name
    for name in ('color/0.png', 'v2.0/images/0.png', 'labels.png', 'train/0.png', 'rgb/0.png'):
        assert not is_in_label_folder(PurePath(name)), name


def test_too_few_or_black_images_are_refused(tmp_path: Path) -> None:
    folder = draw_target(tmp_path / 'target', 7)
    with pytest.raises(DatasetError, match=r'has 7 usable images; expected at least 8'):
        read_target(TargetConfig(str(folder)))
    for number in range(6):
        cv2.imwrite(str(folder / f'black{number}.png'), np.zeros((64, 64, 3), np.uint8))
    (folder / 'cut.png').write_bytes((folder / 'black0.png').read_bytes()[:40])
    with pytest.raises(DatasetError, match=r'7 usable images, 7 black, uniform or damaged ones'):
        read_target(TargetConfig(str(folder)))
    draw_target(folder / 'more', 2)
    assert len(read_target(TargetConfig(str(folder)))) == 9


def test_source_and_target_must_differ(camvid: Path) -> None:
    config = TargetConfig(str(camvid / 'images' / 'train'))
    images = read_target(config)
    with pytest.raises(DatasetError, match=r'12 of the 12 .* are images of the dataset camvid'):
        check_differs(config, images, 'camvid', open_dataset('camvid', camvid))
    reduced = TargetConfig(config.root, height=32)
    with pytest.raises(DatasetError, match=r'expected a target that the source does not have'):
        check_differs(reduced, read_target(reduced), 'c', open_dataset('camvid', camvid))
    check_differs(config, images, 'camvid', open_dataset('camvid', camvid, {'split': 'val'}))


def test_a_target_that_does_not_fit_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_target(tmp_path / 'target', 12)
    monkeypatch.setattr(target_images, 'LARGEST_IN_MEMORY', 10 * 64 * 64 * 3)
    with pytest.raises(DatasetError, match=r'first 11 images .* expected less: set images or'):
        read_target(TargetConfig(str(folder)))
    assert len(read_target(TargetConfig(str(folder), height=32))) == 12


@pytest.mark.parametrize('shape', [(20, 200), (200, 20), (64, 64), (300, 400)])
def test_crops_of_any_shape_of_image_have_no_padding_and_no_label(shape: tuple[int, int]) -> None:
    """An image of grey levels above 200 has no pixel of the padding's colour."""
    rng = np.random.default_rng(3)
    images = [rng.integers(200, 256, (*shape, 3), np.uint8) for _ in range(8)]
    plain = AugmentationConfig(colour=0.0, blur=0.0, noise=0.0)
    config = TargetConfig('nowhere', share=4, augmentation=plain)
    samples = MixedSamples([target_set(config, images, (64, 96))], (64, 96), 5, 0, 1)
    for index in range(len(samples)):
        image, labels, _ = samples[index]
        assert image.shape == (3, 64, 96)
        assert int(image.min()) >= 200
        assert bool((labels == IGNORED).all())
