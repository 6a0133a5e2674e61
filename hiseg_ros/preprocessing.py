# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera image to network input: size rule, resizing, normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize, RgbImage

# Backends without torch use the size rule; only functions that return tensors import torch.
if TYPE_CHECKING:
    import torch

COARSEST_STRIDE = 32
"""Both sides of the network's input are multiples of this, so every grid covers the image."""

LARGEST_ENLARGEMENT = 2
"""Largest factor by which small images are enlarged; beyond it there is nothing to gain."""

SMALLEST_STD = 1e-3
"""A smaller standard deviation would scale grey levels beyond anything a network is trained on."""


@dataclass(frozen=True)
class Preprocessing:
    """Parameters of the preprocessing; stored with the weights."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean of red, green and blue in [0, 1]; by default those of ImageNet."""

    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation of red, green and blue in [0, 1]; by default those of ImageNet."""

    largest_height: int = 800
    """Images whose shorter side is larger are reduced to this many pixels."""

    smallest_height: int = 0
    """Images whose shorter side is smaller are enlarged to this many pixels, at most to twice
    their size, so that objects of a few pixels span cells of the grid; 0 enlarges none."""

    smallest_width: int = 0
    """Images whose longer side is smaller are enlarged likewise until it has this many pixels; 0
    enlarges none. Cameras of few pixels usually see as wide an angle as others, so this rule finds
    them, and leaves alone wide images of little height."""

    multiple: int = 32
    """Both sides of the network input are multiples of this."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: A value has the wrong type or is out of range.
        """
        for key, values in (('mean', self.mean), ('std', self.std)):
            least = 0.0 if key == 'mean' else SMALLEST_STD
            if (
                not isinstance(values, tuple)
                or len(values) != 3
                or not all(isinstance(v, int | float) and least <= v <= 1 for v in values)
            ):
                raise ConfigError(
                    f'The preprocessing has {key} {values!r}; expected three numbers from {least} '
                    'to 1, of red, green and blue.'
                )
        for key, number in (('largest_height', self.largest_height), ('multiple', self.multiple)):
            if type(number) is not int or number < 1:
                raise ConfigError(
                    f'The preprocessing has {key} {number!r}; expected a positive integer.'
                )
        smallest = self.smallest_height
        if type(smallest) is not int or not 0 <= smallest <= self.largest_height:
            raise ConfigError(
                f'The preprocessing has smallest_height {smallest!r}; expected an integer '
                f'from 0 to largest_height, {self.largest_height}.'
            )
        if type(self.smallest_width) is not int or self.smallest_width < 0:
            raise ConfigError(
                f'The preprocessing has smallest_width {self.smallest_width!r}; expected an '
                'integer of at least 0.'
            )
        if self.multiple % COARSEST_STRIDE:
            raise ConfigError(
                f'The preprocessing has multiple {self.multiple}; expected a multiple of '
                f'{COARSEST_STRIDE}, the coarsest stride of the network.'
            )

    def input_size(self, image_size: ImageSize, input_height: int = 0) -> ImageSize:
        """Return the network's input size for an image size.

        The aspect ratio is kept up to rounding to `multiple`. The network sees the whole image,
        without borders.

        Args:
            image_size: (height, width) in pixels.
            input_height: Shorter side of the network input in pixels; 0 uses `largest_height`,
                `smallest_height` and `smallest_width`.

        Raises:
            ConfigError: The input height is negative or below `multiple`.
        """
        if input_height != 0 and input_height < self.multiple:
            raise ConfigError(
                f'The input height is {input_height}; expected 0 (the rule of the weights) or at '
                f'least {self.multiple} pixels.'
            )
        shorter = min(image_size)
        by_width = round(self.smallest_width * shorter / max(image_size))
        smallest = min(max(self.smallest_height, by_width), LARGEST_ENLARGEMENT * shorter)
        enlarged = max(shorter, smallest)
        wanted = input_height or min(enlarged, self.largest_height)
        height, width = (
            max(self.multiple, round(side * wanted / shorter / self.multiple) * self.multiple)
            for side in image_size
        )
        return height, width

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, 3, H, W) uint8 or 0..255 float images as normalised float32."""
        mean, std = _in_grey_levels(self.mean, self.std, images.device)
        return (images.float() - mean) / std

    def prepare(
        self, rgb: RgbImage, device: torch.device | str = 'cpu', input_height: int = 0
    ) -> torch.Tensor:
        """Return the network input of one image.

        Args:
            rgb: (H, W, 3) uint8, in any memory layout, read-only or not.
            device: Device on which the image is resized and normalised.
            input_height: As in `input_size`.

        Returns:
            (1, 3, h, w) float32, channels last in memory.

        Raises:
            ConfigError: The input height is out of range.
        """
        import torch

        if not rgb.flags.writeable or min(rgb.strides) < 0:
            rgb = rgb.copy()  # torch supports neither read-only memory nor negative strides
        return self.prepare_pixels(torch.from_numpy(rgb).to(device), input_height)

    def prepare_pixels(self, pixels: torch.Tensor, input_height: int = 0) -> torch.Tensor:
        """Return the network input of one image that is already on its device.

        Args:
            pixels: (H, W, 3) uint8.
            input_height: As in `input_size`.

        Returns:
            As `prepare`.
        """
        import torch
        from torch.nn import functional as F  # noqa: N812 (the field's usual name)

        size = self.input_size((pixels.shape[0], pixels.shape[1]), input_height)
        images = pixels.permute(2, 0, 1)[None].float()
        if tuple(images.shape[-2:]) != size:
            images = F.interpolate(
                images, size=size, mode='bilinear', align_corners=False, antialias=True
            )
        return self.normalize(images).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=64)
def _in_grey_levels(
    mean: tuple[float, float, float], std: tuple[float, float, float], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both as (1, 3, 1, 1) float32 for grey levels 0..255, kept on the device.

    Otherwise the host would wait for two copies per frame.
    """
    import torch

    with torch.inference_mode(False):  # training uses these tensors too
        return tuple(  # type: ignore[return-value]
            (torch.tensor(values).view(1, 3, 1, 1) * 255).to(device) for values in (mean, std)
        )
