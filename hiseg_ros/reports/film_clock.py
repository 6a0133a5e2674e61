# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The time of a film: it only goes on, whatever the stamps of its frames do."""

from __future__ import annotations

MAX_GAP_S = 10.0
"""Longest time that a frame is shown; a longer gap in the recording is cut."""


def step_ns(before: tuple[int, int], now: tuple[int, int]) -> tuple[int | None, bool]:
    """Return the time between two frames in ns, and whether their stamps tell it.

    The time is None where nothing tells it. A clock that was set in between makes a gap in the
    stamps, not in the recording times.

    Args:
        before: Header stamp and recording time of the first, in ns; 0 where unknown.
        now: Those of the second.
    """
    by_stamp, by_recording = (later - earlier for earlier, later in zip(before, now, strict=True))
    longest = MAX_GAP_S * 1e9
    if 0 < by_stamp <= longest:
        return by_stamp, True
    if before[1] and 0 < by_recording <= longest:
        return by_recording, False
    if by_stamp > 0 and before[0]:
        return by_stamp, True
    return (by_recording if before[1] and by_recording > 0 else None), False


class FilmClock:
    """Gives each frame its time in the film, in ns from 0.

    Frames keep the distance of their stamps. Where a stamp is zero, repeated, earlier than the one
    before or of another clock, that of their recording times, else the usual one of the camera.
    """

    def __init__(self, rate_hz: float) -> None:
        """Start.

        Args:
            rate_hz: Frames per second of the camera.
        """
        self._period_ns = round(1e9 / rate_hz)
        self._before: tuple[int, int] | None = None
        self._now_ns = 0
        self._without_stamp = 0
        self._gaps_ns: list[int] = []

    def at(self, stamp_ns: int, time_ns: int = 0) -> int:
        """Return the time of the next frame.

        Args:
            stamp_ns: Its header stamp.
            time_ns: Its recording time; 0 where unknown.
        """
        before, self._before = self._before, (stamp_ns, time_ns)
        if before is None:
            return 0
        step, is_by_stamp = step_ns(before, self._before)
        self._without_stamp += not is_by_stamp
        if step is None:
            step = self._period_ns
        elif step > MAX_GAP_S * 1e9:
            self._gaps_ns.append(step)
            step = self._period_ns
        self._now_ns += step
        return self._now_ns

    @property
    def notes(self) -> list[str]:
        """What is not as in the recording, in a sentence each."""
        notes = []
        if self._without_stamp:
            notes.append(
                f'{self._without_stamp} frames have a stamp that does not go on from the one '
                'before (zero, repeated, earlier): they are timed by recording time or rate.'
            )
        if self._gaps_ns:
            seconds = sum(self._gaps_ns) / 1e9
            notes.append(f'{len(self._gaps_ns)} gaps of {seconds:.1f} s in all were cut.')
        return notes
