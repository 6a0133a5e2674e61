# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Features of whole images: what a network computes, averaged over the image."""

from __future__ import annotations

import hashlib
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.inference.torch_device import find_device
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.types import RgbImage

VERSION = 2
"""Changes when features of the same image change: those on disk are computed again."""

INPUT_HEIGHT = 256
"""Shorter side of the network input in pixels: enough for what a scene is, and fast."""

STAGES = 2
"""Number of the deepest stages of the backbone that are averaged."""


class Kind(Enum):
    """What is averaged."""

    BACKBONE = 'backbone'
    """Maps of the deepest stages: what things and surfaces look like."""
    CLASSES = 'classes'
    """Class probabilities: which classes there are, and how much of each."""


class FeatureNetwork:
    """A network that turns an image into one vector."""

    def __init__(self, model: Path, kind: Kind, device: str = 'auto') -> None:
        """Load weights.

        Args:
            model: Weights of `hiseg train`; an exported file has no features to read.
            kind: What is averaged.
            device: 'auto', 'cpu', 'cuda' or 'cuda:N'.

        Raises:
            CheckpointError: The file is no weights file.
            DeviceError: There is no such device, or it has too little memory.
        """
        if model.suffix != '.safetensors':
            raise CheckpointError(
                f'{model} is no weights file; expected the .safetensors of `hiseg train`: the '
                'features of an exported network cannot be read.'
            )
        self.kind = kind
        self._device, self._name = find_device(device), device
        checkpoint = load_checkpoint(model)
        self._preprocessing = checkpoint.preprocessing
        with device_faults(device):
            self._network = checkpoint.build().to(self._device)
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        self.identity = f'{VERSION} {kind.value} {INPUT_HEIGHT} {digest}'
        """Text that differs where features would."""

    def compute(self, rgb: RgbImage) -> NDArray[np.float32]:
        """Return the feature of an image.

        Args:
            rgb: (H, W, 3) uint8, red first.

        Returns:
            (D,) float32 of length 1.

        Raises:
            DeviceError: The device has too little memory, or is gone.
        """
        with torch.inference_mode(), device_faults(self._name):
            images = self._preprocessing.prepare(rgb, self._device, INPUT_HEIGHT)
            if self.kind is Kind.CLASSES:
                parts = [self._network(images).mean((2, 3))]
            else:
                parts = [stage.mean((2, 3)) for stage in self._network.backbone(images)[-STAGES:]]
            # Each stage counts the same, whatever its scale.
            feature = normalize(torch.cat([normalize(part.float()) for part in parts], 1))[0]
            found: NDArray[np.float32] = feature.cpu().numpy()
        return found
