# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The input size of an exported network: by the weights' rule, or fixed by the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.inference.reduced_input import reduced_height
from hiseg_ros.inference.scaled_input import USUAL, InputScale
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class ExportedInput:
    """Rule for the input size."""

    preprocessing: Preprocessing

    input_height: int = 0
    """Shorter side in pixels; 0 = the weights' rule."""

    fixed: ImageSize | None = None
    """(h, w) that the file was exported for; None where its size is open."""

    is_reduced: bool = False
    """Whether the device is short of memory; see `reduced_input`."""

    scale: InputScale = USUAL
    """Of the input where images come faster than the network runs; see `scaled_input`."""

    def size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        if self.fixed:
            return self.fixed
        rule = self.preprocessing
        size = rule.input_size(image_size, self.input_height)
        if (height := self.scale.height(size, rule.multiple)) < min(size):
            size = rule.input_size(image_size, height)
        if self.is_reduced:
            size = rule.input_size(image_size, reduced_height(size, rule.multiple))
        return size

    def of_file(self, path: Path, shape: Sequence[object], is_bytes: bool) -> ExportedInput:
        """Return the rule for a file.

        Args:
            path: The file, for messages.
            shape: Shape of its input; a side that is not an int is open.
            is_bytes: Whether its input is uint8.

        Raises:
            CheckpointError: The input is not (N, h, w, 3) uint8.
            ConfigError: The file has a fixed size and another input height is requested.
        """
        if not is_bytes or len(shape) != 4 or shape[3] != 3:
            raise CheckpointError(
                f'{path} has an input of shape {list(shape)}; expected (N, h, w, 3) uint8, as '
                '`hiseg export` writes it.'
            )
        height, width = shape[1:3]
        if not isinstance(height, int) or not isinstance(width, int):
            return self
        if self.input_height not in (0, min(height, width)):
            raise ConfigError(
                f'The input height is {self.input_height}, but {path} was exported for '
                f'{height} x {width}; expected 0: export it with --size dynamic.'
            )
        return replace(self, fixed=(height, width))
