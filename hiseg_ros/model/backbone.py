# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backbones: feature pyramids of timm models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.models.efficientvit_mit import LiteMLA
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.authors_names import timm_name

LARGEST_STRIDE = 32
"""Stride of a backbone without dilation."""

ATTENTION_EPS = 1e-15
"""Added to the divisor of EfficientViT's linear attention, as its authors trained it. With timm's
1e-5 features of the last two stages differ by up to 6."""

IMAGENET = 'imagenet'
"""Source of weights: timm's own, from its cache or fetched."""


_TIMM_ERRORS = (
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
)


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
        try:
            # timm would fetch 'hf-hub:...' from elsewhere, so only names that it knows get there.
            if not timm.is_model(name):
                raise LookupError('timm has no such model')
            model = _timm_model(name, output_stride)
        except _TIMM_ERRORS as problem:
            raise ConfigError(
                f'Backbone {name!r} cannot be built at output stride {output_stride} '
                f'({str(problem) or type(problem).__name__}); expected a timm model that supports '
                'features_only and this stride: see timm.list_models().'
            ) from problem
        for layer in model.modules():
            if isinstance(layer, LiteMLA):
                layer.eps = ATTENTION_EPS
        self.name = name
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

    def load_pretrained(self, source: str | Path) -> None:
        """Load weights that the model was trained with for classification.

        Args:
            source: 'imagenet' for timm's default weights of the model, or a file with a state in
                timm's names (safetensors, or a PyTorch file of tensors; nothing is executed). Of a
                safetensors file of a whole network its `backbone.*` are taken, and nothing else.

        Raises:
            ConfigError: The weights cannot be had, or are of another model.
        """
        is_file = str(source) != IMAGENET
        if is_file and not Path(source).is_file():
            raise ConfigError(
                f'The backbone weights {source} do not exist; expected {IMAGENET!r} or a file '
                f'with the weights of timm model {self.name!r}.'
            )
        part = _backbone_part(Path(source)) if is_file else {}
        if part:
            self._load_part(part, Path(source))
            return
        overlay = {'file': str(source)} if is_file else None
        try:
            donor: Any = timm.create_model(
                self.name, features_only=True, pretrained=True, pretrained_cfg_overlay=overlay
            )
            self.model.load_state_dict(donor.state_dict())
        except Exception as problem:  # a hub client's errors share no family
            reason = ' '.join(str(problem).split())[:200]
            wanted = (
                f'a file with the weights of timm model {self.name!r}'
                if is_file
                else 'a network or weights in the cache: where there is neither, name a file with '
                '--backbone-weights'
            )
            raise ConfigError(
                f'The backbone weights {source} of {self.name!r} cannot be loaded '
                f'({type(problem).__name__}: {reason}); expected {wanted}.'
            ) from problem

    def _load_part(self, part: dict[str, torch.Tensor], source: Path) -> None:
        """Load the backbone of a whole network.

        Raises:
            ConfigError: Not all of its tensors fit, or some are missing.
        """
        wanted = self.model.state_dict()
        # timm writes 'blocks_0' for 'blocks.0' where only features are asked for.
        name_of = {name.replace('.', '_'): name for name in wanted}
        named = {name_of.get(key.replace('.', '_'), key): tensor for key, tensor in part.items()}
        fits = [key for key in named if key in wanted and named[key].shape == wanted[key].shape]
        if not len(fits) == len(named) == len(wanted):
            raise ConfigError(
                f'Of the {len(named)} backbone tensors of {source} {len(fits)} fit the '
                f'{len(wanted)} of {self.name!r}; expected all of them: name the weights of this '
                'timm model.'
            )
        self.model.load_state_dict({key: tensor.float() for key, tensor in named.items()})


def _timm_model(name: str, output_stride: int) -> Any:
    """Return a timm model with random weights, dilated from a stride on.

    Some families know no output_stride: they are not asked for it without dilation, and their
    convolutions are dilated here.

    Raises:
        Exception: One of _TIMM_ERRORS: timm cannot build it, or its stages cannot be dilated.
    """
    if output_stride >= LARGEST_STRIDE:
        return timm.create_model(name, features_only=True, pretrained=False)
    try:
        return timm.create_model(
            name, features_only=True, pretrained=False, output_stride=output_stride
        )
    except TypeError:
        model: Any = timm.create_model(name, features_only=True, pretrained=False)
    _dilate(model, output_stride)
    return model


def _dilate(model: Any, output_stride: int) -> None:
    """Replace the strides of a pyramid's last stages by dilation, in place.

    A strided convolution becomes a dense one, and those after it have twice the dilation, so that
    they see what they saw. Attention and 1x1 convolutions have nothing to be dilated.

    Raises:
        ValueError: A stage falls in resolution by something else than convolutions.
    """
    dilation = 1
    for info in model.feature_info.info:
        if info['reduction'] <= output_stride:
            continue
        entry = dilation  # where a stage has two paths, the strided convolutions of both have it
        for layer in model.get_submodule(info['module'].replace('.', '_')).modules():
            if not isinstance(layer, nn.Conv2d):
                continue
            own = dilation
            if layer.stride != (1, 1):
                own, dilation = entry, entry * layer.stride[0]
                layer.stride = (1, 1)
            layer.padding = cast(tuple[int, int], tuple(own * int(p) for p in layer.padding))
            layer.dilation = (own, own)
        info['reduction'] = output_stride
    # Two sizes of the image at which every stride up to the largest has whole cells.
    for side in (LARGEST_STRIDE, 2 * LARGEST_STRIDE):
        with torch.inference_mode():
            features = model.eval()(torch.zeros(1, 3, side, side))
        found = [side // feature.shape[-1] for feature in features]
        if found != model.feature_info.reduction():
            raise ValueError(f'its features have the strides {found} with dilated convolutions')
    model.train()


def _backbone_part(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors `backbone.*` of a safetensors file by the rest of their timm names.

    Empty where there are none, or the file is another one.
    """
    try:
        with safe_open(path, framework='pt') as file:
            names = [name for name in file.keys() if name.startswith('backbone.')]  # noqa: SIM118
            return {
                timm_name(name).removeprefix('backbone.'): file.get_tensor(name) for name in names
            }
    except (SafetensorError, OSError):
        return {}  # timm says what is wrong with it
