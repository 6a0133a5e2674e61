# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Plan of a soak test: its cameras, its length, and the time between faults."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class CameraPlan:
    """What one camera sends."""

    name: str
    encoding: str
    size: ImageSize
    """(H, W) of its images."""
    other_encoding: str
    other_size: ImageSize
    """Encoding and size (H, W) that it changes to for a while."""
    rate_hz: float
    """Images per second."""


CAMERAS = (
    CameraPlan('front', 'rgb8', (360, 640), 'bgra8', (240, 432), 10.0),
    CameraPlan('left', 'bgr8', (360, 480), 'rgb8', (480, 640), 7.0),
    CameraPlan('rear', 'mono8', (240, 320), 'bgr8', (360, 480), 5.0),
)
"""Three cameras that differ in size, encoding and rate."""


@dataclass(frozen=True)
class SoakPlan:
    """One soak test."""

    seconds: float = 1800.0
    period_s: float = 30.0
    """Seconds from one fault to the next."""
    cameras: tuple[CameraPlan, ...] = CAMERAS
    model: str = ''
    """As the node's parameter of that name."""
    backend: str = 'auto'
    device: str = 'auto'
    precision: str = 'auto'
    input_height: int | str = 'auto'
    image_timeout_s: float = 1.5
    """Seconds without an image after which the node reports a camera as STALE."""
    patience_s: float = 30.0
    """How long an expected reaction may take on a busy machine."""
    startup_s: float = 300.0
    """How long the node may take until it has subscribed to all cameras."""

    def __post_init__(self) -> None:
        """Check that there is time for a fault.

        Raises:
            ConfigError: The run is too short.
        """
        if self.seconds < 2 * self.period_s:
            raise ConfigError(
                f'The soak run takes {self.seconds:g} s; expected at least twice the '
                f'{self.period_s:g} s from one fault to the next: let it take longer.'
            )

    @property
    def hold_s(self) -> float:
        """How long a fault lasts."""
        return self.period_s / 3

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def of_json(text: str) -> SoakPlan:
        """Return the plan that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        cameras: list[dict[str, Any]] = values.pop('cameras')
        for camera in cameras:
            for key in ('size', 'other_size'):
                camera[key] = tuple(camera[key])
        return SoakPlan(cameras=tuple(CameraPlan(**camera) for camera in cameras), **values)
