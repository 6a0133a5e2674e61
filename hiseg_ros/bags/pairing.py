# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pairing of images with their ground truth: by stamp, and where stamps cannot tell by time.

Drivers that leave stamps at zero, or repeat them, are common. A frame without a certain partner
stays unpaired: it is never scored against the ground truth of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAIRED_SHARE = 0.75
"""Least share of the frames or of the ground truths, whichever are fewer, that pairing by time
must explain; with less, their clocks or delays differ and nothing is paired."""


@dataclass(frozen=True)
class Place:
    """Stamp and time of one recorded message."""

    stamp_ns: int | None
    """Header stamp; None where the message cannot be read."""
    time_ns: int
    """Recording time."""
    digest: int = 0
    """Hash of the message; two ground truths of one stamp with equal ones are duplicates."""


@dataclass(frozen=True)
class Pairing:
    """The ground truth of each image."""

    truth_of: dict[int, int]
    """Index of an image to that of its ground truth."""
    by_time: frozenset[int]
    """Images that were paired by recording time or order."""
    is_by_stamp: bool
    """Whether the stamps alone tell all pairs."""


def pair(
    images: Sequence[Place], truths: Sequence[Place], window_ns: int | None = None
) -> Pairing:
    """Pair images with ground truth.

    Args:
        images: The images in the order of the recording.
        truths: The ground truths in the order of the recording.
        window_ns: Longest time between an image and its ground truth; None for no limit.
    """
    truth_of: dict[int, int] = {}
    of_stamp: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, places in enumerate((images, truths)):
        for index, place in enumerate(places):
            if place.stamp_ns is not None:
                of_stamp[place.stamp_ns][side].append(index)
    unclear_images: list[int] = []
    unclear_truths: list[int] = []
    is_unclear = False
    for stamp_ns, (here, there) in of_stamp.items():
        # A loop of a played recording repeats all stamps, each time much later.
        whole = len(here) == 1 and len(there) == 1
        groups = [(here, there)] if whole else _by_time(here, there, images, truths, window_ns)
        for some_images, some_truths in groups:
            if _is_one(some_images, some_truths, truths, stamp_ns):
                truth_of[some_images[0]] = some_truths[-1]
                continue
            unclear_images += some_images
            unclear_truths += some_truths
            is_unclear |= not stamp_ns or len(some_images) > 1 or len(some_truths) > 1
    if is_unclear:
        found = _matched(images, truths, sorted(unclear_images), sorted(unclear_truths), window_ns)
    else:
        found = {}
    is_paired = bool(unclear_images and unclear_truths and is_unclear)
    return Pairing({**truth_of, **found}, frozenset(found), not is_paired)


def _is_one(images: list[int], truths: list[int], places: Sequence[Place], stamp_ns: int) -> bool:
    """Return whether a stamp stands for one image and one ground truth, perhaps sent twice."""
    if len(images) != 1 or not truths:
        return False
    return len(truths) == 1 or (
        stamp_ns != 0 and len({places[index].digest for index in truths}) == 1
    )


def _by_time(
    here: list[int],
    there: list[int],
    images: Sequence[Place],
    truths: Sequence[Place],
    window_ns: int | None,
) -> list[tuple[list[int], list[int]]]:
    """Split the images and ground truths of one stamp where the recording pauses."""
    if window_ns is None:
        return [(here, there)]
    events = [(images[index].time_ns, 0, index) for index in here]
    events += [(truths[index].time_ns, 1, index) for index in there]
    groups: list[tuple[list[int], list[int]]] = []
    last_ns: int | None = None
    for time_ns, side, index in sorted(events):
        if last_ns is None or time_ns - last_ns > window_ns:
            groups.append(([], []))
        groups[-1][side].append(index)
        last_ns = time_ns
    return groups


def _matched(
    images: Sequence[Place],
    truths: Sequence[Place],
    here: list[int],
    there: list[int],
    window_ns: int | None,
) -> dict[int, int]:
    """Return the pairs that order or recording time tells, among those that stamps do not."""
    image_stamps = {place.stamp_ns for place in images}
    truth_stamps = {place.stamp_ns for place in truths}
    seen = _counts(images), _counts(truths)

    def may_pair(image: int, truth: int) -> bool:
        mine, other = images[image].stamp_ns, truths[truth].stamp_ns
        if window_ns is not None:
            apart = abs(images[image].time_ns - truths[truth].time_ns)
            if apart > window_ns:
                return False
        if mine == other:
            return True
        # Two good stamps that differ belong to different moments.
        is_good = seen[0][mine] == 1 and mine != 0 and seen[1][other] == 1 and other != 0
        return not is_good and (other not in image_stamps or mine not in truth_stamps)

    if not here or not there:
        return {}
    image_ns = np.array([images[index].time_ns for index in here], np.int64)
    truth_ns = np.array([truths[index].time_ns for index in there], np.int64)
    steps = np.diff(np.sort(np.array([place.time_ns for place in images], np.int64)))
    step_ns = float(np.median(steps)) if steps.size else 4e9
    if len(here) == len(there) and np.ptp(truth_ns - image_ns) <= step_ns / 2:
        pairs = dict(zip(here, there, strict=True))
        if all(may_pair(*one) for one in pairs.items()):
            return pairs
    # Each must be the other's nearest, and much nearer than the next image.
    nearest_truth = _nearest(image_ns, truth_ns)
    nearest_image = _nearest(truth_ns, image_ns)
    pairs = {
        here[i]: there[k]
        for i, k in enumerate(nearest_truth)
        if nearest_image[k] == i
        and abs(int(image_ns[i]) - int(truth_ns[k])) <= step_ns / 4
        and may_pair(here[i], there[k])
    }
    # The delay is the same for all, or it is chance that they lie so near.
    delays = {i: truths[k].time_ns - images[i].time_ns for i, k in pairs.items()}
    usual = float(np.median(list(delays.values()))) if delays else 0.0
    pairs = {i: k for i, k in pairs.items() if abs(delays[i] - usual) <= step_ns / 8}
    return pairs if len(pairs) >= PAIRED_SHARE * min(len(here), len(there)) else {}


def _counts(places: Sequence[Place]) -> dict[int | None, int]:
    counts: dict[int | None, int] = defaultdict(int)
    for place in places:
        counts[place.stamp_ns] += 1
    return counts


def _nearest(times: NDArray[np.int64], others: NDArray[np.int64]) -> list[int]:
    """Return the index of the nearest of `others`, (M,), for each of `times`, (N,)."""
    order = np.argsort(others, kind='stable')
    ordered = others[order]
    right = np.clip(np.searchsorted(ordered, times), 0, len(ordered) - 1)
    left = np.maximum(right - 1, 0)
    is_left = np.abs(times - ordered[left]) <= np.abs(times - ordered[right])
    return [int(index) for index in order[np.where(is_left, left, right)]]
