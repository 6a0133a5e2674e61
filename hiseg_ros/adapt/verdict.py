# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whether adapted weights may replace the old ones."""

from __future__ import annotations

from hiseg_ros.adapt.checks import Check

MOST_FORGOTTEN = 0.01
"""Largest fall of the source's mean IoU: one point."""

NOISE = 0.001
"""Fall of a stability that is none: a tenth of a point."""

LEAST_KEPT = 0.9
"""Least share of pixels, sure before, that keep their label: adaptation moves borders and what
was in doubt; where a road becomes a wall it is far below."""


def objections(before: Check, after: Check) -> list[str]:
    """Return why adapted weights are worse than the old ones, in a sentence each.

    Args:
        before: Figures of the old weights.
        after: Those of the adapted weights, on the same images.

    Returns:
        Nothing where the adapted weights may be used.
    """
    found = []
    if after.source < before.source - MOST_FORGOTTEN:
        found.append(
            f'the source score fell from {_percent(before.source)} to {_percent(after.source)} '
            f'mIoU, more than {100 * MOST_FORGOTTEN:.0f} point'
        )
    if after.stability < before.stability - NOISE:
        found.append(
            'labels are less stable when the image is mirrored, made smaller or darker: '
            f'{_percent(before.stability)} before, {_percent(after.stability)} after'
        )
    if before.over_time is not None and after.over_time is not None:
        if after.over_time < before.over_time - NOISE:
            found.append(
                'labels are less stable from frame to frame: '
                f'{_percent(before.over_time)} before, {_percent(after.over_time)} after'
            )
    if after.kept is not None and after.kept < LEAST_KEPT:
        found.append(
            f'only {_percent(after.kept)} of the pixels that were sure before keep their label, '
            f'expected at least {_percent(LEAST_KEPT)}'
        )
    return found


def _percent(share: float) -> str:
    return f'{100 * share:.1f} %'
