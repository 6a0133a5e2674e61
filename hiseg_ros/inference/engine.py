# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The engine: arrays in, arrays out; it owns weights, device and precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hiseg_ros.errors import ConfigError, DeviceError, ImageError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.pipeline import segment
from hiseg_ros.resources import default_model
from hiseg_ros.types import RgbImage, Segmentation

MAX_PIXELS = 64_000_000
"""Of an image."""

MAX_INPUT_PIXELS = 16_000_000
"""Of the network's input, which a long and narrow image or a large input height may exceed."""


class Engine:
    """A network ready to segment images, one at a time, on one device."""

    def __init__(
        self,
        model_path: Path | str | None = None,
        *,
        device: str = 'auto',
        input_height: int = 0,
        threshold: float = 0.0,
    ) -> None:
        """Load weights onto a device.

        Args:
            model_path: Weights file; None takes the shipped weights.
            device: 'auto' (CUDA where there is one, else CPU), 'cpu', 'cuda' or 'cuda:N'.
            input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
            threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.

        Raises:
            CheckpointError: The weights cannot be used.
            ConfigError: The threshold or the input height is out of range.
            DeviceError: The device does not exist.
        """
        self.model_path = Path(model_path) if model_path else default_model()
        self._device = find_device(device)
        checkpoint = load_checkpoint(self.model_path)
        checkpoint.preprocessing.input_size((480, 640), input_height)
        self.taxonomy = checkpoint.taxonomy
        self.info: Mapping[str, Any] = checkpoint.card
        self.preprocessing = checkpoint.preprocessing
        self.input_height = input_height
        self.threshold = threshold
        self._network: HierarchicalNetwork | None = checkpoint.build().to(
            self._device, memory_format=torch.channels_last  # type: ignore[call-overload]
        )

    @property
    def device(self) -> str:
        """Device in use, such as 'cpu' or 'cuda:0'."""
        return str(self._device)

    @property
    def threshold(self) -> float:
        """Least conditional probability of a child; may be set between images."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            raise ConfigError(
                f'The decision threshold is {value}; expected a number from 0 (always a leaf) '
                'to 1.'
            )
        self._threshold = float(value)

    def segment(
        self, rgb: RgbImage, *, labels: bool = True, confidence: bool = True
    ) -> Segmentation:
        """Segment one image.

        Args:
            rgb: (H, W, 3) uint8, any size.
            labels: Whether the label image is wanted; (0, 0) without.
            confidence: Whether the confidence image is wanted; (0, 0) without.

        Raises:
            ImageError: The array has another shape or type, no pixels, or too many, or the
                network's input would be too large.
            RuntimeError: The engine is closed.
        """
        if self._network is None:
            raise RuntimeError('The engine is closed; expected an open one: make a new Engine.')
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ImageError(
                f'The image has shape {rgb.shape} and type {rgb.dtype}; expected '
                '(height, width, 3) uint8 with at least one pixel.'
            )
        if rgb.shape[0] * rgb.shape[1] > MAX_PIXELS:
            raise ImageError(
                f'The image has {rgb.shape[0]} x {rgb.shape[1]} pixels; expected at most '
                f'{MAX_PIXELS} in all.'
            )
        height, width = self.preprocessing.input_size(
            (rgb.shape[0], rgb.shape[1]), self.input_height
        )
        if height * width > MAX_INPUT_PIXELS:
            raise ImageError(
                f'The image of {rgb.shape[0]} x {rgb.shape[1]} pixels would become a network '
                f'input of {height} x {width}; expected at most {MAX_INPUT_PIXELS} pixels: crop '
                'the image or lower the input height.'
            )
        return segment(
            rgb,
            self._network,
            self.taxonomy,
            self.preprocessing,
            device=self._device,
            input_height=self.input_height,
            threshold=self._threshold,
            labels=labels,
            confidence=confidence,
        )

    def close(self) -> None:
        """Give the network's memory back; the engine cannot segment afterwards.

        Closing twice does no harm.
        """
        self._network = None
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()


def find_device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        DeviceError: The name is unknown or the machine has no such device.
    """
    if name == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    if name == 'cpu':
        return torch.device('cpu')
    found = [f'cuda:{index}' for index in range(torch.cuda.device_count())]
    wanted = 'cuda:0' if name == 'cuda' else name
    if wanted not in found:
        raise DeviceError(
            f'Device {name!r} does not exist here; expected one of {["auto", "cpu", *found]}.'
        )
    return torch.device(wanted)
