# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backbones: feature pyramids of timm models."""

from __future__ import annotations

from typing import Any, Protocol, cast

import timm
import torch
from torch import nn

from hiseg_ros.errors import ConfigError

LARGEST_STRIDE = 32
"""Stride of a backbone without dilation."""


class Backbone(Protocol):
    """Image in, features of falling resolution out."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return features, finest first; images are (N, 3, H, W) normalised."""


class TimmBackbone(nn.Module):
    """A timm model as a pyramid of features from stride 4 on."""

    def __init__(self, name: str, output_stride: int = 32) -> None:
        """Build the model with random weights.

        Raises:
            ConfigError: timm has no such model, or it has no feature pyramid at that stride.
        """
        super().__init__()
        # Some families know no output_stride at all: without dilation they are not asked for it.
        dilation: dict[str, Any] = (
            {'output_stride': output_stride} if output_stride < LARGEST_STRIDE else {}
        )
        try:
            # timm would fetch 'hf-hub:...' from elsewhere, so only names that it knows get there.
            if not timm.is_model(name):
                raise LookupError('timm has no such model')
            model: Any = timm.create_model(
                name, features_only=True, pretrained=False, **dilation
            )
        except (
            LookupError, RuntimeError, TypeError, ValueError, AttributeError, AssertionError
        ) as problem:
            raise ConfigError(
                f'Backbone {name!r} cannot be built at output stride {output_stride} '
                f'({problem or type(problem).__name__}); expected a timm model that supports '
                'features_only and this stride: see timm.list_models().'
            ) from problem
        self.model = model
        pyramid = model.feature_info
        info = list(zip(pyramid.channels(), pyramid.reduction(), strict=True))
        self._keep = [index for index, (_, stride) in enumerate(info) if stride >= 4]
        self.channels = tuple(info[index][0] for index in self._keep)
        self.strides = tuple(info[index][1] for index in self._keep)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return features from stride 4 on, finest first."""
        features = cast(list[torch.Tensor], self.model(images))
        return [features[index] for index in self._keep]
