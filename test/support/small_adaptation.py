# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg adapt` made small: a drive of two seconds, a few steps, a lenient verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

STEPS = 20
FRAMES = 24


def write_short_drive(path: Path) -> Path:
    """Write a bag of 24 views, 96 x 160, that move over a drawn street."""
    from hiseg_ros.bags.footage import Frame, write_camera_bag
    from hiseg_ros.datasets.scenes import draw_scene

    wide = draw_scene(5, (96, 160 + 4 * FRAMES)).rgb
    frames = [Frame(np.ascontiguousarray(wide[:, 4 * n : 4 * n + 160])) for n in range(FRAMES)]
    write_camera_bag(path, frames, 10.0)
    return path


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Make everything small, and the verdict lenient: untrained weights are worth nothing."""
    from hiseg_ros.adapt import budget, recipe, source_set, verdict

    patch.setattr(budget, 'MOST_STEPS', STEPS)
    patch.setattr(budget, 'PACE_STEPS', 4)
    patch.setattr(recipe, 'LARGEST_CROP', (64, 96))
    patch.setattr(recipe, 'STEPS_PER_EPOCH', 5)
    for name, value in (('SCENES', 2), ('CHECKED_SCENES', 2), ('SCENE_SIZE', (96, 160))):
        patch.setattr(source_set, name, value)
    for name, value in (('MOST_FORGOTTEN', 1.0), ('NOISE', 1.0), ('LEAST_KEPT', 0.0)):
        patch.setattr(verdict, name, value)


def command(recording: Path, output: Path, model: Path, cache: Path, *more: str) -> list[str]:
    """Return the words of `hiseg adapt`."""
    return [
        'adapt', str(recording), '--output', str(output), '--model', str(model), '--cache',
        str(cache), '--device', 'cpu', '--minutes', '30', *more,
    ]  # fmt: skip
