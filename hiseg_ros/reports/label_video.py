# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Video of recorded labels: overlay or side by side, with names and a legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.message_stream import Damage
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import BagError
from hiseg_ros.reports.film_clock import MAX_GAP_S, FilmClock, step_ns
from hiseg_ros.reports.labelled_frames import (
    LabelledFrame,
    label_images,
    labelled_frames,
    pairs_of,
    stream_of,
)
from hiseg_ros.reports.video import VideoWriter, with_strip
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import RgbImage
from hiseg_ros.visualization import (
    PlacedName,
    draw_names,
    legend_strip,
    overlay,
    place_names,
    to_height,
)

MIN_HEIGHT, MAX_HEIGHT = 720, 1080
"""Least and largest number of rows if no height is given; other images are scaled."""
LEGEND_SHARE = 0.001
"""Least share of all pixels of the video for a node to be in its legend."""


@dataclass(frozen=True)
class VideoStyle:
    """Appearance of a video."""

    side_by_side: bool = False
    """Camera image left and overlay right, instead of the overlay alone."""
    names: bool = True
    """Whether names are written into large regions."""
    legend: bool = True
    """Whether a legend of the most common nodes is drawn below the image."""
    alpha: float = 0.5
    """Share of colour in the overlay, 0 to 1."""
    height: int = 0
    """Rows of the image; 0 keeps those of the camera, limited to 720 to 1080."""


@dataclass(frozen=True)
class Footage:
    """The topics of a recording that a video is made from."""

    recording: Recording
    image: Topic
    """The camera, or the node's overlays where the camera was not recorded."""
    is_overlay: bool
    labels: Topic
    """Label images of the node."""
    taxonomy: Taxonomy


@dataclass(frozen=True)
class LabelSurvey:
    """Length, rate and nodes of a whole video, found by reading its labels once."""

    frames: int
    rate_hz: float
    shares: dict[int, float]
    """Share of all pixels in [0, 1] by node id."""
    is_paired_by_stamp: bool = True
    """Whether every label image has a stamp of its own."""


def survey(footage: Footage) -> LabelSurvey:
    """Read all labels once, for a legend and rate of the whole video.

    Raises:
        BagError: The recording has no labels.
    """
    counts, frames, steps = np.zeros(256), 0, list[int]()
    stamps: set[int] = set()
    before = 0, 0
    stream = stream_of(footage.recording, footage.labels)
    for now, labels in label_images(stream):
        counts += np.bincount(labels.ravel(), minlength=256) / labels.size
        step = step_ns(before, now)[0] if frames else None
        if step is not None and step <= MAX_GAP_S * 1e9:
            steps.append(step)
        stamps.add(now[0])
        before, frames = now, frames + 1
    if not frames:
        raise BagError(
            f'The recording {footage.recording.path} has no readable labels on '
            f'{footage.labels.name}; expected one image for each processed image: replay or '
            'record it again.'
        )
    rate_hz = len(steps) / (sum(steps) / 1e9) if steps else 15.0
    shares = counts[: len(footage.taxonomy)] / frames
    return LabelSurvey(
        frames,
        rate_hz,
        {int(i): float(shares[i]) for i in np.flatnonzero(shares)},
        len(stamps) == frames and 0 not in stamps,
    )


def write_label_video(
    path: Path,
    footage: Footage,
    style: VideoStyle | None = None,
    *,
    on_frame: Callable[[], object] = lambda: None,
    known: LabelSurvey | None = None,
    on_note: Callable[[str], object] = lambda note: None,
) -> tuple[int, list[Damage]]:
    """Write a video of the recorded labels over their images.

    Frames keep their distance in time, see `FilmClock`; where the node dropped an image, the one
    before it is shown longer.

    Args:
        path: The video; ends in .mp4.
        footage: The topics to show.
        style: Appearance of the video; None for the defaults.
        on_frame: Called after each frame, in the calling thread.
        known: Result of `survey` for this footage, if it was called before.
        on_note: Called at the end with each sentence on times that are not as in the recording.

    Returns:
        The number of frames written, and the damages of the recording.

    Raises:
        BagError: No image has labels, or a side-by-side view needs a camera that was not
            recorded.
        ConfigError: The video cannot be written.
        ImageError: An image and its labels differ in size.
    """
    style, known = style or VideoStyle(), known or survey(footage)
    if style.side_by_side and footage.is_overlay:
        raise BagError(
            f'The recording {footage.recording.path} has overlays but not the images below '
            'them; expected the camera topic for a view side by side: leave that out, or replay '
            'without `--omit camera`.'
        )
    common = sorted(known.shares, key=lambda node_id: (-known.shares[node_id], node_id))
    common = [node_id for node_id in common if known.shares[node_id] >= LEGEND_SHARE]
    stream = stream_of(footage.recording, footage.image, footage.labels)
    pairs = None
    if not known.is_paired_by_stamp:
        pairs = pairs_of(footage.recording, footage.image, footage.labels)
    names: tuple[PlacedName, ...] = ()
    clock = FilmClock(known.rate_hz)
    with VideoWriter(path, known.rate_hz) as video:
        for frame in labelled_frames(stream, footage.image, footage.labels, pairs):
            image, names = compose(frame, footage, style, names)
            if style.legend:
                strip = legend_strip(footage.taxonomy, common, image.shape[1])
                image = np.concatenate([image, strip])
            seconds = clock.at(frame.stamp_ns, frame.time_ns) / 1e9
            text = f'{footage.image.name}   {seconds:.2f} s'
            text += f'   frame {video.frames + 1} of {known.frames}'
            video.write(with_strip(image, text), frame.stamp_ns, frame.time_ns)
            on_frame()
    if not video.frames:
        path.unlink(missing_ok=True)
        raise BagError(
            f'No image on {footage.image.name} of {footage.recording.path} has the stamp of '
            f'labels on {footage.labels.name}; expected the camera that these labels belong to: '
            'choose another with --topic.'
        )
    for note in video.notes:
        on_note(note)
    return video.frames, stream.damages


def compose(
    frame: LabelledFrame,
    footage: Footage,
    style: VideoStyle,
    previous: Sequence[PlacedName] = (),
) -> tuple[RgbImage, tuple[PlacedName, ...]]:
    """Return a frame's image, without strips below it, and the names written into it.

    Args:
        frame: Image and labels.
        footage: The topics they come from.
        style: Appearance of the video.
        previous: Names in the frame before.

    Raises:
        ImageError: Image and labels differ in size.
    """
    height = style.height or min(max(frame.rgb.shape[0], MIN_HEIGHT), MAX_HEIGHT)
    rgb, labels = to_height(frame.rgb, frame.labels, height)
    painted = rgb
    if not footage.is_overlay:
        painted = overlay(rgb, labels, footage.taxonomy, style.alpha)
    names: tuple[PlacedName, ...] = ()
    if style.names:
        names = place_names(labels, footage.taxonomy, previous)
        painted = draw_names(painted, names, footage.taxonomy)
    if style.side_by_side:
        painted = np.concatenate([rgb, painted], axis=1)
    return painted, names
