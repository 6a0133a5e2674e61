# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which tasks of a recording are to be done, and which have to be done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiseg_ros.fleet.tasks import Carry, Task, assumed_carry, start_carry


class DriveProgress:
    """The tasks of one recording.

    All of them can be done at the same time. A task whose assumption about the frames before it
    was wrong is done again, once these are done.
    """

    def __init__(self, drive: Mapping[str, Any], *, is_measured: bool = True) -> None:
        """Start with nothing done.

        Args:
            drive: What `FleetWorker.index` returned.
            is_measured: Whether bit depths are measured, not given.
        """
        self.drive = drive
        self.tasks = [Task.of(row) for row in drive['tasks']]
        self._is_measured = is_measured
        self._to_do = list(range(len(self.tasks)))
        self._found: dict[int, dict[str, Any]] = {}
        self._keys: dict[int, str] = {}
        self._signs: dict[int, str] = {}
        self._accepted = 0
        self._true = start_carry(drive['cameras'])
        self._is_merging = False

    @property
    def is_ready(self) -> bool:
        """Whether all tasks are done and nothing has begun to merge them."""
        return len(self._keys) == len(self.tasks) and not self._is_merging

    @property
    def frames_done(self) -> int:
        """Number of frames of the tasks that are done."""
        done = {*self._found, *self._keys}
        return sum(self.tasks[number].frames for number in done)

    def next_task(self) -> tuple[Task, Carry] | None:
        """Return the next task to do and what it is to assume; None where nothing is to do now."""
        if not self._to_do:
            return None
        number = self._to_do.pop(0)
        if number in self._signs:
            summary = self._found[number]
            carry = replace(Carry.of(summary['assumed']), signs=self._signs[number])
            return self.tasks[number], carry
        if number == self._accepted:
            return self.tasks[number], self._true
        return self.tasks[number], assumed_carry(self._true, self.drive['lasts'][number])

    def give_back(self, number: int) -> None:
        """Do a task again whose worker is gone."""
        self._to_do.insert(0, number)

    def done(self, number: int, summary: dict[str, Any]) -> None:
        """Take the results of a task.

        Args:
            number: Its number.
            summary: What `FleetWorker.part` returned.
        """
        self._found[number] = summary
        if number < self._accepted:
            self._keys[number] = summary['key']  # done again, with the tracks before it
        while self._accepted in self._found:
            number = self._accepted
            assumed = Carry.of(self._found[number]['assumed'])
            if not assumed.fits(self._true, self._is_measured):
                del self._found[number]
                self._to_do.insert(0, number)
                return
            found = Carry.of(self._found[number]['found'])
            self._true = self._true.after(found, assumed, self._is_measured)
            self._keys[number] = self._found[number]['key']
            self._accepted += 1

    def keys(self) -> list[str]:
        """Return the names of the tasks' results in their order, to merge them."""
        self._is_merging = True
        return [self._keys[number] for number in range(len(self.tasks))]

    def merge_again(self) -> None:
        """Merge once more: the worker that did is gone."""
        self._is_merging = False

    def needs_tracks(self, number: int, signs: str) -> None:
        """Do a task again with the sign tracks before it; merge behind it.

        Args:
            number: The task.
            signs: State of the tracks, see `Carry.signs`.
        """
        self._signs[number] = signs
        del self._keys[number]
        self._to_do.insert(0, number)
        self._is_merging = False
