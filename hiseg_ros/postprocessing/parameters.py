# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the dense CRF, with their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from hiseg_ros.errors import ConfigError

REFERENCE_WIDTH = 500
"""Width in pixels of the images that the standard deviations of positions are given for, as in
published values; they grow with the width of an image."""

COMPATIBILITIES = ('potts', 'tree')


@dataclass(frozen=True)
class CrfParameters:
    """Parameters of a dense CRF with a colour kernel and a smoothness kernel.

    The defaults were chosen on few images of CamVid's training drives, see docs/crf.md; the drive
    that is held out is not among them.
    """

    classes: int = 24
    """Most leaves of an image that take part, at least 2; the others keep their probability."""
    rounds: int = 5
    """Rounds of the mean field, 0 to 100."""
    color_weight: float = 0.5
    """Weight of the kernel of position and colour, at least 0."""
    position_std: float = 15.0
    """Its standard deviation of positions, in pixels of an image 500 pixels wide; above 0."""
    color_std: float = 3.0
    """Its standard deviation of colours, in steps of 8 bits; at least 1."""
    smooth_weight: float = 1.0
    """Weight of the kernel of position alone, at least 0."""
    smooth_std: float = 2.0
    """Its standard deviation, as `position_std`."""
    compatibility: str = 'tree'
    """'potts': any two leaves are equally different; 'tree': siblings less than strangers."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: A value is out of range.
        """
        at_least = {
            'classes': 2, 'rounds': 0, 'color_weight': 0, 'color_std': 1, 'smooth_weight': 0,
            'position_std': 1, 'smooth_std': 0.1,
        }  # fmt: skip
        most = {'rounds': 100}
        for name, least in at_least.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most.get(name, math.inf)):
                upper = f' to {most[name]}' if name in most else ' or more'
                raise ConfigError(f'{name} of the CRF is {value}; expected {least}{upper}.')
        if self.compatibility not in COMPATIBILITIES:
            raise ConfigError(
                f'compatibility of the CRF is {self.compatibility!r}; expected '
                f'{" or ".join(COMPATIBILITIES)}.'
            )

    @staticmethod
    def of(settings: Iterable[str]) -> CrfParameters:
        """Return the parameters of texts such as 'rounds=10'; those not named keep their default.

        Raises:
            ConfigError: A text is not KEY=VALUE, a key is unknown, or a value out of range.
        """
        kinds: dict[str, Any] = {one.name: type(one.default) for one in fields(CrfParameters)}
        values: dict[str, Any] = {}
        for setting in settings:
            key, equals, text = setting.partition('=')
            if not equals or key not in kinds:
                raise ConfigError(
                    f'The setting {setting!r} of the CRF is unknown; expected KEY=VALUE with one '
                    f'of the keys {", ".join(kinds)}.'
                )
            try:
                values[key] = kinds[key](text)
            except ValueError:
                kind = 'an integer' if kinds[key] is int else 'a number'
                raise ConfigError(f'{key} of the CRF is {text!r}; expected {kind}.') from None
        return CrfParameters(**values)
