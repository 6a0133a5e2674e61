# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options of the classical methods, with their defaults and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from hiseg_ros.errors import ConfigError
from hiseg_ros.nearest_name import expected_name

Range = tuple[float, float]


@dataclass(frozen=True)
class Options:
    """Base: checks types and ranges."""

    RANGES: ClassVar[Mapping[str, Range]] = {}
    """Smallest and largest value of each number, both allowed."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: A value has the wrong type or is out of range.
        """
        for item in fields(self):
            value, kind = getattr(self, item.name), type(item.default)
            is_right = type(value) is kind or (kind is float and type(value) is int)
            if kind is str:
                if not is_right or not value:
                    raise ConfigError(f'Option {item.name} is {value!r}; expected a text.')
                continue
            low, high = self.RANGES[item.name]
            if not is_right or not math.isfinite(value) or not low <= value <= high:
                what = 'a whole number' if kind is int else 'a number'
                raise ConfigError(
                    f'Option {item.name} is {value!r}; expected {what} from {low:g} to {high:g}.'
                )


@dataclass(frozen=True)
class PriorOptions(Options):
    """Position prior."""

    rows: int = 90
    """Rows of the grid on which labels are counted."""
    columns: int = 120
    """Its columns."""

    RANGES: ClassVar[Mapping[str, Range]] = {'rows': (1, 1024), 'columns': (1, 1024)}


@dataclass(frozen=True)
class OtsuOptions(PriorOptions):
    """Otsu threshold: the position prior where the image is not bright."""

    sky: str = 'Sky'
    """Node of the tree whose label the bright region at the top gets."""


@dataclass(frozen=True)
class HogOptions(Options):
    """HOG and a linear SVM on a sliding window."""

    window: int = 32
    """Side of the window in pixels, a multiple of the 8 pixels of a cell."""
    patches: int = 10
    """Most windows of a label that are drawn from an image for training."""
    strength: float = 0.01
    """C of the SVM: how much an error costs against the width of the margin."""

    RANGES: ClassVar[Mapping[str, Range]] = {
        'window': (16, 128), 'patches': (1, 10_000), 'strength': (1e-6, 1e3),
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Check the values; raise as `Options`."""
        super().__post_init__()
        if self.window % 8:
            raise ConfigError(f'Option window is {self.window}; expected a multiple of 8.')


@dataclass(frozen=True)
class WatershedOptions(HogOptions):
    """Watershed from markers, whose regions get the majority of the windows inside."""

    smoothing: float = 1.0
    """Standard deviation of the blur before the gradient, in pixels."""
    flat: float = 0.2
    """Share of the pixels, those of the lowest gradient, whose connected parts are markers."""

    RANGES: ClassVar[Mapping[str, Range]] = {
        **HogOptions.RANGES, 'smoothing': (0, 20), 'flat': (0.01, 0.9),
    }  # fmt: skip


@dataclass(frozen=True)
class SuperpixelOptions(Options):
    """SLIC superpixels and a random forest."""

    segments: int = 600
    """Superpixels that SLIC is asked for."""
    compactness: float = 10.0
    """SLIC's weight of position against colour."""
    trees: int = 100
    """Trees of the forest."""
    leaves: int = 1000
    """Most leaves of a tree."""

    RANGES: ClassVar[Mapping[str, Range]] = {
        'segments': (4, 20_000), 'compactness': (0.01, 1000), 'trees': (1, 1000),
        'leaves': (2, 100_000),
    }  # fmt: skip


OPTIONS: dict[str, type[Options]] = {
    'prior': PriorOptions,
    'otsu': OtsuOptions,
    'watershed': WatershedOptions,
    'hog': HogOptions,
    'superpixel': SuperpixelOptions,
}
"""Options by the name of the method."""


def method_options(method: str, values: Mapping[str, Any]) -> Options:
    """Return the options of a method, with defaults for those that are not given.

    Raises:
        ConfigError: The method or an option is unknown, or a value cannot be used.
    """
    if method not in OPTIONS:
        raise ConfigError(f'The classical method is {method!r}; expected one of {list(OPTIONS)}.')
    kind = OPTIONS[method]
    known = [item.name for item in fields(kind)]
    for key in values:
        if key not in known:
            raise ConfigError(
                f'Classical method {method!r} has no option {key!r}; expected '
                f'{expected_name(str(key), known)}.'
            )
    try:
        return kind(**values)
    except ConfigError as problem:
        raise ConfigError(f'Classical method {method!r}: {problem}') from problem
