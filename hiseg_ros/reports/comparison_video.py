# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Video of several networks on the same images, side by side, each under its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.reports.label_video import LEGEND_SHARE, VideoStyle
from hiseg_ros.reports.video import VideoWriter, with_strip
from hiseg_ros.retrieval.sources import Frame, Source
from hiseg_ros.types import LabelImage, RgbImage, Wanted
from hiseg_ros.visualization import (
    PlacedName,
    draw_names,
    legend_strip,
    overlay,
    place_names,
    to_height,
)

CAPTION_HEIGHT = 36
"""Rows of the caption above each side."""

MIN_HEIGHT, MAX_HEIGHT = 480, 720
"""Least and largest number of rows if no height is given: half of the width of other videos."""

SURVEYED = 8
"""Images, evenly spread, of which the legend takes its classes."""

FILE_RATE_HZ = 10.0
"""Images per second where the images have no times."""

_LABELS_ONLY = Wanted(confidence=False, probabilities=False)


@dataclass(frozen=True)
class Side:
    """A network and what is written above its results."""

    network: Segmenter
    caption: str


def write_comparison(
    path: Path,
    source: Source,
    sides: Sequence[Side],
    style: VideoStyle | None = None,
    on_frame: Callable[[], object] = lambda: None,
) -> tuple[int, int]:
    """Write a video of what several networks say about the images of a source.

    Each image is shown once per network, with the network's labels over it. Images of a bag are
    timed by their stamps, files follow each other at FILE_RATE_HZ.

    Args:
        path: The video; ends in .mp4.
        source: The images; no labels are needed.
        sides: The networks, from left to right; all with the same class tree.
        style: Appearance; `side_by_side` is not read. None for the defaults.
        on_frame: Called after each image, in the calling thread.

    Returns:
        The number of images shown, and of those that could not be decoded.

    Raises:
        BagError: A bag is damaged.
        ConfigError: The trees differ, no image can be decoded, or the video cannot be written.
    """
    style = style or VideoStyle()
    taxonomy = sides[0].network.taxonomy
    for side in sides[1:]:
        if side.network.taxonomy.digest != taxonomy.digest:
            raise ConfigError(
                f'{side.caption!r} has the taxonomy {side.network.taxonomy.name!r} and '
                f'{sides[0].caption!r} {taxonomy.name!r}; expected networks of one tree, whose '
                'colours mean the same.'
            )
    common, rate_hz = _survey(source, sides)
    names: list[tuple[PlacedName, ...]] = [()] * len(sides)
    damaged = 0
    with VideoWriter(path, rate_hz) as video:
        for frame in source.frames():
            on_frame()
            if frame.rgb is None:
                damaged += 1
                continue
            parts = []
            for place, side in enumerate(sides):
                labels = side.network.segment(frame.rgb, _LABELS_ONLY).labels
                part, names[place] = _painted(frame.rgb, labels, side, style, names[place])
                parts.append(part)
            image = np.concatenate(parts, axis=1)
            if style.legend:
                strip = legend_strip(taxonomy, common, image.shape[1])
                image = np.concatenate([image, strip])
            text = f'{source.path.name}   {frame.name}   frame {frame.number + 1}'
            stamp_ns = frame.time_ns
            if stamp_ns is None:
                stamp_ns = round((1 + frame.number) * 1e9 / rate_hz)
            video.write(with_strip(image, f'{text} of {source.count}'), stamp_ns)
    if not video.frames:
        path.unlink(missing_ok=True)
        raise _no_image(source)
    return video.frames, damaged


def with_caption(image: RgbImage, caption: str) -> RgbImage:
    """Return the image with a line of text above it.

    Args:
        image: (H, W, 3) uint8.
        caption: The line; shortened to the width.

    Returns:
        (CAPTION_HEIGHT + H, W, 3) uint8.
    """
    width = image.shape[1]
    bar = np.full((CAPTION_HEIGHT, width, 3), 24, np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.75
    while caption and cv2.getTextSize(caption, font, scale, 1)[0][0] > width - 16:
        caption = caption[:-1]
    cv2.putText(bar, caption, (8, 25), font, scale, (240, 240, 240), 1, cv2.LINE_AA)
    return np.concatenate([bar, image])


def _painted(
    rgb: RgbImage,
    labels: LabelImage,
    side: Side,
    style: VideoStyle,
    previous: Sequence[PlacedName],
) -> tuple[RgbImage, tuple[PlacedName, ...]]:
    """Return one side of a frame, and the names that are written into it."""
    taxonomy = side.network.taxonomy
    height = style.height or min(max(rgb.shape[0], MIN_HEIGHT), MAX_HEIGHT)
    rgb, labels = to_height(rgb, labels, height)
    painted = overlay(rgb, labels, taxonomy, style.alpha)
    names: tuple[PlacedName, ...] = ()
    if style.names:
        names = place_names(labels, taxonomy, previous)
        painted = draw_names(painted, names, taxonomy)
    return with_caption(painted, side.caption), names


def _survey(source: Source, sides: Sequence[Side]) -> tuple[list[int], float]:
    """Return the common nodes of a few images, the most common first, and the rate."""
    wanted = {place * source.count // SURVEYED for place in range(SURVEYED)}
    counts, seen = np.zeros(256), list[Frame]()
    for frame in source.frames(0, wanted):
        if frame.rgb is None:
            continue
        seen.append(Frame(frame.number, frame.name, frame.time_ns, None))
        for side in sides:
            labels = side.network.segment(frame.rgb, _LABELS_ONLY).labels
            counts += np.bincount(labels.ravel(), minlength=256) / labels.size
    if not seen:
        raise _no_image(source)
    shares = counts[: len(sides[0].network.taxonomy)] / (len(seen) * len(sides))
    common = [int(node) for node in np.argsort(-shares, kind='stable')]
    return [node for node in common if shares[node] >= LEGEND_SHARE], _rate_hz(seen)


def _rate_hz(seen: Sequence[Frame]) -> float:
    """Return images per second between the first and the last of some images."""
    first, last = seen[0], seen[-1]
    if first.time_ns is None or last.time_ns is None or last.time_ns <= first.time_ns:
        return FILE_RATE_HZ
    rate = (last.number - first.number) / ((last.time_ns - first.time_ns) / 1e9)
    return min(max(rate, 0.1), 240.0)


def _no_image(source: Source) -> ConfigError:
    return ConfigError(
        f'No image of {source.path} can be decoded; expected at least one to show: '
        'copy the recording again.'
    )
