# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Faster depthwise convolutions for training on a CPU, with the same results."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)


class _DepthwiseConvolution(torch.autograd.Function):
    """A depthwise convolution that goes forward in bfloat16 and back in float32."""

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, convolution: nn.Conv2d
    ) -> torch.Tensor:
        """Return the convolution of bfloat16 images."""
        ctx.save_for_backward(images, weight)
        ctx.convolution = convolution
        return F.conv2d(
            images,
            weight.to(images.dtype),
            None,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            convolution.groups,
        )

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of images and weight."""
        images, weight = ctx.saved_tensors
        layer: nn.Conv2d = ctx.convolution
        with torch.autocast('cpu', enabled=False):
            images_gradient, weight_gradient, _ = torch.ops.aten.convolution_backward(
                gradients[0].float(),
                images.float(),
                weight,
                None,
                layer.stride,
                layer.padding,
                layer.dilation,
                False,
                [0, 0],
                layer.groups,
                [True, True, False],
            )
        return images_gradient.to(images.dtype), weight_gradient, None


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise layer whose backward pass stays in float32 under bfloat16 autocast.

    On CPUs the bfloat16 backward pass of these layers is slow: float32 takes half the time.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the convolution."""
        if not (self.training and torch.is_autocast_enabled('cpu')):
            return super().forward(images)
        result: torch.Tensor = _DepthwiseConvolution.apply(
            images.to(torch.get_autocast_dtype('cpu')), self.weight, self
        )
        return result


def speed_up_depthwise(network: nn.Module) -> int:
    """Replace the depthwise layers of a network by `DepthwiseConv2d`; return their number."""
    count = 0
    for layer in network.modules():
        is_depthwise = type(layer) is nn.Conv2d and layer.groups == layer.in_channels > 1
        if is_depthwise and layer.bias is None and not isinstance(layer.padding, str):
            layer.__class__ = DepthwiseConv2d
            count += 1
    return count
