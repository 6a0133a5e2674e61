# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders of segmentation_models_pytorch: U-Net, FPN, PSPNet, DeepLab, UPerNet, SegFormer.

The only file that imports the library, whose decoder classes are not promised to stay where they
are. Of its networks only the decoders are used: heads and the last upsampling are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from segmentation_models_pytorch.base.modules import Conv2dReLU
from segmentation_models_pytorch.decoders.deeplabv3.decoder import (
    ASPPPooling,
    DeepLabV3Decoder,
    DeepLabV3PlusDecoder,
)
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPBlock, PSPDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.layers import convolution, pooled_branch
from hiseg_ros.model.decoders.pooling import BinPooling

LEVELS = 4
"""Features that the decoders read, of strides 4 to the last."""

DEPTH = LEVELS + 1
"""The library counts stride 2 as well."""

DROPOUT = 0.1
GROUPS = 32
"""Groups of FPN's norm."""


class Bin(nn.Module):
    """One bin of a pyramid of pooled features: pooled, narrowed, and back in size."""

    def __init__(self, bins: int, in_channels: int, out_channels: int) -> None:
        """Build a branch.

        Args:
            bins: Along each side.
            in_channels: Of the map.
            out_channels: Of the branch.
        """
        super().__init__()
        self.pool = BinPooling(bins)
        self.narrow: nn.Module = (
            pooled_branch(in_channels, out_channels)
            if bins == 1
            else Conv2dReLU(in_channels, out_channels, 1)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, out_channels, h, w) for (N, in_channels, h, w)."""
        pooled = self.narrow(self.pool(features))
        return F.interpolate(pooled, features.shape[-2:], mode='bilinear', align_corners=False)


class LibraryDecoder(nn.Module):
    """A decoder of the library behind this project's interface."""

    reads_image = True

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        channels: int,
        *,
        kind: str,
        width: int,
        rates: tuple[int, int, int] = (3, 6, 9),
    ) -> None:
        """Build for a backbone's channels and strides, finest first.

        Args:
            in_channels: Channels of the features; four levels.
            strides: Their strides.
            channels: Of the output.
            kind: Name of the decoder.
            width: Channels inside.
            rates: Atrous rates of DeepLab.

        Raises:
            ConfigError: The backbone has another number of levels, or `fpn` a number of channels
                that its norm cannot divide.
        """
        super().__init__()
        if len(in_channels) != LEVELS:
            raise ConfigError(
                f'Decoder {kind!r} has a backbone with the strides {list(strides)}; expected '
                f'{LEVELS} from 4 on: take another backbone or decoder.'
            )
        # The library's own convention for encoders without stride 2: a map of no channels.
        encoder = (3, 0, *in_channels)
        build, is_coarse, out = _BUILDERS[kind]
        self.body: nn.Module = build(encoder, channels, width, rates, strides[-1])
        self.stride = strides[-1] if is_coarse else strides[0]
        out_channels = channels if out == 'channels' else width
        self.output = (
            nn.Identity() if out_channels == channels else convolution(out_channels, channels)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride); the first of the features are the images.

        Args:
            features: Images (N, 3, H, W) normalised, then the backbone's features, finest first.
        """
        image, *levels = features
        finest = levels[0]
        half = finest.new_zeros((finest.shape[0], 0, finest.shape[2] * 2, finest.shape[3] * 2))
        output: torch.Tensor = self.output(self.body([image, half, *levels]))
        return output


def _unet(encoder: Sequence[int], channels: int, width: int, *_: Any) -> nn.Module:
    """Three blocks: those from stride 4 on are left out."""
    between = max(channels, 3 * width // 4)
    return UnetDecoder(
        encoder, (width, between, channels), n_blocks=3, interpolation_mode='bilinear'
    )


def _fpn(encoder: Sequence[int], channels: int, width: int, *_: Any) -> nn.Module:
    if channels % GROUPS:
        raise ConfigError(
            f"Network setting channels is {channels} for the decoder 'fpn'; expected a multiple "
            f'of {GROUPS}, which its group norm divides.'
        )
    return FPNDecoder(encoder, DEPTH, width, channels)


def _pspnet(encoder: Sequence[int], channels: int, width: int, *_: Any) -> nn.Module:
    decoder = PSPDecoder(encoder, out_channels=width, dropout=DROPOUT)
    blocks = decoder.psp.blocks
    for index, block in enumerate(blocks):
        assert isinstance(block, PSPBlock)
        narrow: Any = block.pool[1][0]
        blocks[index] = Bin(block.pool_size, narrow.in_channels, narrow.out_channels)
    return decoder


def _upernet(encoder: Sequence[int], channels: int, width: int, *_: Any) -> nn.Module:
    decoder = UPerNetDecoder(encoder, DEPTH, width)
    for block in decoder.psp.blocks:
        pool, narrow = block
        bins = int(pool.output_size)
        block[0] = BinPooling(bins)
        if bins == 1:
            block[1] = pooled_branch(narrow[0].in_channels, narrow[0].out_channels)
    return decoder


def _with_pooled_branch(decoder: nn.Module) -> nn.Module:
    """Return the decoder with `pooled_branch`, where the library has a batch norm."""
    for module in decoder.modules():
        if isinstance(module, ASPPPooling):
            narrow: Any = module[1]
            module[1] = pooled_branch(narrow.in_channels, narrow.out_channels)
            module[2] = module[3] = nn.Identity()
    return decoder


def _deeplabv3(
    encoder: Sequence[int], channels: int, width: int, rates: tuple[int, ...], _: int
) -> nn.Module:
    return _with_pooled_branch(DeepLabV3Decoder(encoder[-1], width, rates, False, DROPOUT))


def _deeplabv3plus(
    encoder: Sequence[int], channels: int, width: int, rates: tuple[int, ...], stride: int
) -> nn.Module:
    return _with_pooled_branch(
        DeepLabV3PlusDecoder(encoder, DEPTH, width, rates, stride, True, DROPOUT)
    )


def _segformer(encoder: Sequence[int], channels: int, width: int, *_: Any) -> nn.Module:
    return SegformerDecoder(encoder, DEPTH, width)


_BUILDERS: dict[str, tuple[Callable[..., nn.Module], bool, str]] = {
    'unet': (_unet, False, 'channels'),
    'fpn': (_fpn, False, 'channels'),
    'pspnet': (_pspnet, True, 'width'),
    'deeplabv3': (_deeplabv3, True, 'width'),
    'deeplabv3plus': (_deeplabv3plus, False, 'width'),
    'upernet': (_upernet, False, 'width'),
    'segformer': (_segformer, False, 'width'),
}
"""By name: what builds it, whether it ends at the last stride, and its number of channels."""
