# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a network is made of; stored with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.checks import check_decoder
from hiseg_ros.model.decoders.registry import DECODERS, DETAIL_SHARE

HEADS = ('conditional', 'leaf', 'nodes')
BRANCHES = ('pointwise', 'bottleneck')

MAX_CHANNELS = 2048
"""More would take gigabytes before it is found that the tensors of a file do not fit."""


@dataclass(frozen=True)
class NetworkConfig:
    """Parts and sizes of a network."""

    backbone: str = 'mobilenetv4_conv_small'
    """Name of a timm model that offers features_only."""

    output_stride: int = 32
    """Stride of the backbone's last features in pixels; below 32 by dilation."""

    decoder: str = 'parsenet'
    """'parsenet': the image's average joined to strides 8 and last; 'fusion': all strides down to
    4 merged; 'projection': one 1x1 convolution, as in IV 2018;
    'summed': strides from 8 on projected and added at stride 8, as in EfficientViT;
    'summed_detail': this and a second path at stride 8 that sees the image, for small signs;
    'summed_fine': as 'summed', and on to stride 4; the networks of the field by their names are
    in docs/networks.md."""

    channels: int = 64
    """Channels of the decoder's output; a third of them are the second path of
    'summed_detail'."""

    head: str = 'conditional'
    """'conditional': one softmax per inner node; 'leaf': one softmax over the leaves; 'nodes': a
    sigmoid for each node, as in HSSN."""

    branch: str = 'pointwise'
    """A classifier's private layers: 'pointwise' 1x1 or the 'bottleneck' of IV 2018."""

    branch_channels: int = 16
    """Least channels of a pointwise branch; one with many children gets 1.5 for each child."""

    decoder_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Options of the decoder that are not to have their defaults, such as upsampling: nearest."""

    cut_at: tuple[str, ...] = ()
    """With the head 'leaf': nodes whose leaves have a classifier of their own. The one softmax is
    over these nodes and all other leaves. With 'summed_detail' it reads the first path, and those
    classifiers the second one."""

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ConfigError: A choice is unknown, a size is not a positive whole number, or the
                decoder cannot have its options, backbone or output stride.
        """
        for key, value, known in (
            ('head', self.head, HEADS),
            ('decoder', self.decoder, tuple(DECODERS)),
            ('branch', self.branch, BRANCHES),
            ('output_stride', self.output_stride, (8, 16, 32)),
        ):
            if value not in known or isinstance(value, bool):
                raise ConfigError(
                    f'Network setting {key} is {value!r}; expected one of {list(known)}.'
                )
        if not isinstance(self.backbone, str):
            raise ConfigError(
                f'Network setting backbone is {self.backbone!r}; expected the name of a timm '
                'model.'
            )
        for key, size in (('channels', self.channels), ('branch_channels', self.branch_channels)):
            if type(size) is not int or not 1 <= size <= MAX_CHANNELS:
                raise ConfigError(
                    f'Network setting {key} is {size!r}; expected a positive whole number, at '
                    f'most {MAX_CHANNELS}.'
                )
        cuts = (self.cut_at,) if isinstance(self.cut_at, str) else self.cut_at
        if (
            not isinstance(cuts, list | tuple)
            or not all(isinstance(name, str) for name in cuts)
            or (cuts and self.head != 'leaf')
        ):
            raise ConfigError(
                f'Network setting cut_at is {self.cut_at!r} with the head {self.head!r}; expected '
                "names of nodes, with the head 'leaf' only."
            )
        object.__setattr__(self, 'cut_at', tuple(cuts))
        if not isinstance(self.decoder_options, Mapping):
            raise ConfigError(
                f'Network setting decoder_options is {self.decoder_options!r}; expected names of '
                'options with their values.'
            )
        # Lists come from YAML and JSON; as tuples they compare equal to those of code.
        options = {
            str(key): tuple(value) if isinstance(value, list) else value
            for key, value in self.decoder_options.items()
        }
        object.__setattr__(self, 'decoder_options', options)
        check_decoder(self.decoder, options, self.backbone, self.output_stride)

    @property
    def detail_channels(self) -> int:
        """Channels of the decoder's second path, the last ones; 0 where it has none."""
        return self.channels // DETAIL_SHARE if self.decoder == 'summed_detail' else 0

    def values(self) -> dict[str, Any]:
        """Return the settings by name; options and cuts only where there are some."""
        values = asdict(self)
        if not self.decoder_options:
            del values['decoder_options']
        values['cut_at'] = list(self.cut_at)
        if not self.cut_at:
            del values['cut_at']
        return values
