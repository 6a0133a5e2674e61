# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cutting of a replay into tasks along the files of its new bag, and what passes between them.

A replay counts from frame to frame: unreadable images so far, the bit depth measured so far, the
frame before. A task starts from an assumption about these, and says what it found; where the
assumption was wrong, the task is done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hiseg_ros.images.bit_depth import BITS, BitDepth
from hiseg_ros.replay.replay_folder import PART_FRAMES, part_frames

TASK_FRAMES = 100
"""Fewest frames of a task, but for the last of a recording."""


@dataclass(frozen=True)
class Task:
    """Consecutive files of a replay's new bag."""

    number: int
    """Number among the tasks of its recording, from 0."""
    first: int
    """Number of its first frame, from 0."""
    files: tuple[tuple[int, int], ...]
    """(number, frames) of each file."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return sum(count for _, count in self.files)

    @property
    def stop(self) -> int:
        """Number of the frame behind the last one."""
        return self.first + self.frames

    @staticmethod
    def of(row: dict[str, Any]) -> Task:
        """Return the task that was written by `asdict`."""
        return Task(row['number'], row['first'], tuple((n, c) for n, c in row['files']))


def file_starts(first_part: int = PART_FRAMES) -> Iterator[tuple[int, int]]:
    """Yield (first frame, most frames) of the files of a new bag, without end.

    Args:
        first_part: Frames of the first files.
    """
    start, number = 0, 0
    while True:
        count = part_frames(number, first_part)
        yield start, count
        start, number = start + count, number + 1


def task_starts(task_frames: int, first_part: int = PART_FRAMES) -> Iterator[int]:
    """Yield the first frames of tasks, without end: they do not depend on the number of frames."""
    held = task_frames
    for start, count in file_starts(first_part):
        if held >= task_frames:
            yield start
            held = 0
        held += count


def tasks_of(
    frames: int, task_frames: int = TASK_FRAMES, first_part: int = PART_FRAMES
) -> list[Task]:
    """Return the tasks of a recording.

    Args:
        frames: Number of its images.
        task_frames: Fewest frames of a task.
        first_part: Frames of the first files of the new bag.
    """
    tasks: list[Task] = []
    files: list[tuple[int, int]] = []
    first = 0
    for number, (start, most) in enumerate(file_starts(first_part)):
        if start >= frames:
            break
        files.append((number, min(most, frames - start)))
        if sum(count for _, count in files) >= task_frames:
            tasks.append(Task(len(tasks), first, tuple(files)))
            first, files = tasks[-1].stop, []
    if files:
        tasks.append(Task(len(tasks), first, tuple(files)))
    return tasks


@dataclass(frozen=True)
class CameraCarry:
    """What the frames of a task need to know of those of the same camera before it."""

    unreadable: int = 0
    """Number of unreadable images."""
    largest: int = 0
    """Largest sample of 16-bit images, 0 for none."""
    last: int | None = None
    """Number of the last readable frame, None for none."""


@dataclass(frozen=True)
class Carry:
    """What passes from the frames before a task to it."""

    cameras: tuple[CameraCarry, ...]
    signs: str | None = None
    """State of the sign tracks of all cameras as text; None starts without tracks, and the tracks
    are joined afterwards."""

    @staticmethod
    def of(row: dict[str, Any]) -> Carry:
        """Return the carry that was written by `asdict`."""
        return Carry(tuple(CameraCarry(**one) for one in row['cameras']), row['signs'])

    def fits(self, true: Carry, measured: bool) -> bool:
        """Return whether a task that assumed this found what it would find with the true one.

        Args:
            true: What was before the task indeed.
            measured: Whether the bit depth is measured, not given.
        """
        pairs = zip(self.cameras, true.cameras, strict=True)
        return all(
            one.unreadable == other.unreadable
            and one.last == other.last
            and (not measured or _bits(one.largest) == _bits(other.largest))
            for one, other in pairs
        )

    def after(self, found: Carry, assumed: Carry, measured: bool) -> Carry:
        """Return the true carry behind a task.

        Args:
            found: What the task found in the end.
            assumed: What it assumed, which fits this true carry.
            measured: Whether the bit depth is measured.
        """
        cameras = []
        for true, end, start in zip(self.cameras, found.cameras, assumed.cameras, strict=True):
            # A measurement ends with the first image of the largest depth.
            is_done = measured and _bits(true.largest) == BITS[-1]
            largest = true.largest if is_done else max(true.largest, end.largest)
            unreadable = true.unreadable + end.unreadable - start.unreadable
            cameras.append(CameraCarry(unreadable, largest, end.last))
        return Carry(tuple(cameras))


def _bits(largest: int) -> int:
    """Return the measured bit depth of a largest sample, 0 for none."""
    if not largest:
        return 0
    depth = BitDepth()
    depth.shift_of(np.array([largest], np.uint16))
    return depth.bits or 0


def start_carry(cameras: int) -> Carry:
    """Return what is before the first frame."""
    return Carry((CameraCarry(),) * cameras)


def task_key(facts: dict[str, Any], task: Task, carry: Carry) -> str:
    """Return a name by content: equal for tasks whose results are equal."""
    content = json.dumps([facts, asdict(task), asdict(carry)], sort_keys=True)
    return f'{task.number:05d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}'


def assumed_carry(true: Carry, lasts: Sequence[int | None]) -> Carry:
    """Return the assumption for a task whose frames before are not all done: they are sound.

    Args:
        true: What is known of the frames that are done.
        lasts: Number of the last frame of each camera before the task, None for none.
    """
    return Carry(
        tuple(
            CameraCarry(one.unreadable, one.largest, last)
            for one, last in zip(true.cameras, lasts, strict=True)
        )
    )
