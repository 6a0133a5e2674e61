# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a target domain for adaptation: of a recording, a video or a folder, never a label."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence, Set
from pathlib import Path, PurePath

import cv2
import numpy as np
from tqdm import tqdm

from hiseg_ros.datasets.label_folders import is_in_label_folder
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.errors import DatasetError
from hiseg_ros.retrieval.sources import open_source
from hiseg_ros.training.config.adaptation import TargetConfig
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.training.data.repeats import Repeats
from hiseg_ros.training.data.training_set import (
    LARGEST_IN_MEMORY,
    LabelledImage,
    TrainingSet,
)
from hiseg_ros.training.data.transforms import cover_factor
from hiseg_ros.training.data.video_file import VIDEO_ENDINGS, read_video, video_frames
from hiseg_ros.types import ImageSize, RgbImage

LEAST_IMAGES = 8
"""Fewest usable images: fewer are single scenes, not a domain."""

MOST_IMAGES = 2000
"""Images that are taken of a longer recording, evenly spread: they are kept in memory."""

DARKEST = 4.0
"""Standard deviation of grey levels below which an image shows nothing: a covered lens, black."""

Digest = tuple[int, ...]
"""Shape and checksum of an image."""

COMPARED = 300
"""Images of each dataset that are compared with those of the target."""


def read_target(config: TargetConfig) -> list[RgbImage]:
    """Read the images of a target, with a progress bar.

    Args:
        config: Where they are, and which.

    Raises:
        BagError: A recording cannot be read or has no camera.
        ConfigError: There is no such place.
        DatasetError: A position does not exist, fewer than LEAST_IMAGES images show something, or
            all take more than LARGEST_IN_MEMORY.
    """
    images: list[RgbImage] = []
    empty = size = 0
    for rgb in _found(config):
        if rgb is None or float(rgb.std()) < DARKEST:
            empty += 1
            continue
        images.append(_reduced(rgb, config.height))
        size += images[-1].nbytes
        if size > LARGEST_IN_MEMORY:
            raise DatasetError(
                f'The first {len(images)} images of the target {config.root} take more than '
                f'{LARGEST_IN_MEMORY >> 30} GiB of memory; expected less: set images or height.'
            )
    if len(images) < LEAST_IMAGES:
        left_out = f', {empty} black, uniform or damaged ones left out' if empty else ''
        raise DatasetError(
            f'The target {config.root} has {len(images)} usable images{left_out}; expected at '
            f'least {LEAST_IMAGES} to adapt to: name a longer recording or more images.'
        )
    if empty:
        tqdm.write(f'{config.root}: {empty} black, uniform or damaged images are left out.')
    return images


def _found(config: TargetConfig) -> Iterator[RgbImage | None]:
    """Yield the chosen images, None for a damaged one."""
    path = Path(config.root)
    if path.suffix.lower() in VIDEO_ENDINGS:
        count = video_frames(path)
        wanted = _positions(config, list(range(count)))
        yield from tqdm(read_video(path, set(wanted)), 'reading target', len(wanted))
        return
    source = open_source(path, config.topic or None)
    if source.note:
        tqdm.write(source.note)
    numbers = _kept(config, source.names) if source.names else list(range(source.count))
    if not source.names and (config.names or config.without):
        raise DatasetError(
            f'The target {path} is a recording, whose images have no names; expected neither '
            'names nor without: choose with images or numbers.'
        )
    wanted = _positions(config, numbers)
    frames = source.frames(wanted=set(wanted))
    yield from (frame.rgb for frame in tqdm(frames, 'reading target', len(wanted)))


def _kept(config: TargetConfig, names: Sequence[str]) -> list[int]:
    """Return the positions of the files that are kept; files in folders of labels never are.

    Raises:
        DatasetError: There is none.
    """
    paths = [PurePath(name) for name in names]
    of_labels = [is_in_label_folder(path) for path in paths]
    if any(of_labels):
        tqdm.write(f'{config.root}: {sum(of_labels)} files in folders of labels are left out.')
    kept = [
        number
        for number, path in enumerate(paths)
        if not of_labels[number]
        and (not config.names or path.name.startswith(config.names))
        and not (config.without and path.name.startswith(config.without))
    ]
    if not kept:
        raise DatasetError(
            f'The target {config.root} has no image left with names={list(config.names)} and '
            f'without={list(config.without)}; expected at least {LEAST_IMAGES}.'
        )
    return kept


def _positions(config: TargetConfig, numbers: Sequence[int]) -> list[int]:
    """Return which of some positions are taken: those that are named, or evenly spread ones.

    Raises:
        DatasetError: A named position is not among them.
    """
    if config.numbers:
        missing = sorted(set(config.numbers) - set(numbers))
        if missing:
            raise DatasetError(
                f'The target {config.root} has no image {missing[0]}; expected numbers below '
                f'{len(numbers)}.'
            )
        return sorted(set(config.numbers))
    count = min(config.images or MOST_IMAGES, len(numbers))
    return [numbers[i * len(numbers) // count] for i in range(count)]


def _reduced(rgb: RgbImage, height: int) -> RgbImage:
    """Return an image with at most this height; 0 keeps it."""
    if not height or rgb.shape[0] <= height:
        return rgb
    width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _filling(rgb: RgbImage, crop: ImageSize, smallest: float) -> RgbImage:
    """Return an image that fills the crop at the smallest scale: padding would tell domains."""
    factor = cover_factor((rgb.shape[0], rgb.shape[1]), crop) / smallest
    if factor <= 1:
        return rgb
    size = (int(np.ceil(rgb.shape[1] * factor)), int(np.ceil(rgb.shape[0] * factor)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def target_set(config: TargetConfig, images: Sequence[RgbImage], crop: ImageSize) -> TrainingSet:
    """Return the target as a training set whose pixels are all unlabeled.

    Args:
        config: Share, scale, flips and augmentation.
        images: From `read_target`.
        crop: (height, width) of the crops.
    """
    filled = [_filling(one, crop, config.scale[0]) for one in images]
    # One row of zeros, repeated: labels that do not exist take no memory.
    blanks = {
        shape: np.broadcast_to(np.int16(IGNORED), shape)
        for shape in {(one.shape[0], one.shape[1]) for one in filled}
    }
    return TrainingSet(
        DatasetConfig(
            'unlabelled',
            config.root,
            config.share,
            scale=config.scale,
            flips=config.flips,
            augmentation=config.augmentation,
        ),
        [LabelledImage(one, blanks[one.shape[0], one.shape[1]]) for one in filled],
        Repeats.none(len(filled)),
        np.zeros(0, np.int16) if config.flips else None,  # no label, so none to mirror
    )


def check_differs(
    config: TargetConfig, images: Sequence[RgbImage], name: str, dataset: SegmentationDataset
) -> None:
    """Check that a target is not a dataset of the source.

    Args:
        config: Where the target is.
        images: Its images.
        name: Name of the dataset.
        dataset: Its samples, of which the first COMPARED are read.

    Raises:
        DatasetError: Half of the target's images or more are images of the dataset.
    """
    own = {digest_of(one) for one in images}
    check_digests_differ(config.root, own, name, dataset, config.height)


def check_digests_differ(
    target: str, own: Set[Digest], name: str, dataset: SegmentationDataset, height: int = 0
) -> None:
    """Check that a target is not a dataset of the source, by what is kept of its images.

    Args:
        target: Where the target is.
        own: `digest_of` its images.
        name: Name of the dataset.
        dataset: Its samples, of which the first COMPARED are read.
        height: To which larger images of the target were reduced; 0: kept.

    Raises:
        DatasetError: Half of the target's images or more are images of the dataset.
    """
    count = min(COMPARED, len(dataset))
    theirs = (dataset[index].image for index in range(count))
    shared = own & {digest_of(_reduced(rgb, height)) for rgb in theirs}
    if 2 * len(shared) >= len(own):
        raise DatasetError(
            f'{len(shared)} of the {len(own)} images of the target {target} are images of '
            f'the dataset {name}; expected a target that the source does not have: name other '
            'footage, or leave them out of the source.'
        )


def digest_of(rgb: RgbImage) -> Digest:
    """Return what tells an image from others: its shape and a checksum of its pixels."""
    return (*rgb.shape, zlib.crc32(np.ascontiguousarray(rgb).data))
