# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of a target domain: the scenes of `small_runs` under another light, as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from small_runs import picture

from hiseg_ros.training.config.adaptation import AdaptationConfig, Method, TargetConfig
from hiseg_ros.training.config.experiment import TrainingConfig


def target_image(rng: np.random.Generator) -> np.ndarray:
    """Return a scene at dusk, (64, 64, 3) uint8 RGB."""
    image, _ = picture(rng)
    return np.clip(image * (0.6, 0.5, 0.4) + (10, 25, 50), 0, 255).astype(np.uint8)


def draw_target(folder: Path, count: int = 10) -> Path:
    """Write images without labels into a folder."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(
            str(folder / f'day{number % 2}_{number:03d}.png'), target_image(rng)[..., ::-1]
        )
    return folder


def adapted(
    config: TrainingConfig, target: Path, method: Method, **settings: Any
) -> TrainingConfig:
    """Return a run that adapts to a target with two crops a step."""
    place = TargetConfig(str(target), share=2, **settings.pop('place', {}))
    return replace(config, adaptation=AdaptationConfig(method, place, **settings))
