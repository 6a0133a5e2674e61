# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of the loss of a training run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.registry import DECODERS
from hiseg_ros.training.config.settings import AtLeastZero, Count, require, settings
from hiseg_ros.types import ImageSize

LossKind = Literal['set', 'iv2018', 'flat', 'hssn', 'heads']
BoxGateKind = Literal['none', 'soft', 'hard']
PointDraw = Literal['uniform', 'per_class']
PUBLISHED_CLASSIFIER_WEIGHTS = (1.0, 0.1)

_HEAD_OF_KIND = {
    'iv2018': 'conditional',
    'flat': 'leaf',
    'hssn': 'nodes',
    'heads': 'conditional',
}
"""The only head that a loss goes with."""


@settings
class LossConfig:
    """The loss of a run; docs/losses.md has the formulas."""

    kind: LossKind = 'set'
    """'set': minus the log of the summed probability of the allowed leaves; 'iv2018': cross
    entropy per classifier as published; 'flat': cross entropy over the leaves; 'hssn': the
    tree-min loss of HSSN; 'heads': each dataset teaches its own classifier below the root."""

    box_gate: BoxGateKind = 'none'
    """Weight of the pixels of a box under `set`: 'none' 1, 'soft' the probability of its gate
    node (for a sign type: sign front), 'hard' 1 where the network decides for that node and 0
    elsewhere. `iv2018` always has a hard gate of its own, `flat` never has one."""

    level_weights: tuple[AtLeastZero, ...] = ()
    """Weight of a pixel by the level of the node that its label stands for, the root first; the
    last goes for all deeper levels. Empty weighs all levels 1."""

    classifier_weights: Annotated[tuple[AtLeastZero, ...], Field(min_length=1)] = (
        PUBLISHED_CLASSIFIER_WEIGHTS
    )
    """Factor on each classifier's term of `iv2018` by the classifier's level, the root first; the
    last goes for all deeper levels."""

    points: Count = 0
    """Pixels of each image that the loss is computed at, drawn anew in every step; 0 takes all."""

    points_drawn: PointDraw = 'uniform'
    """Which pixels `points` draws: 'uniform' each labelled one with the same probability,
    'per_class' each label of an image with the same."""

    edge_weight: AtLeastZero = 0.0
    """Factor on the loss of the outlines that the decoder `gscnn` predicts; 20 in its paper."""

    edge_attention_weight: AtLeastZero = 0.0
    """Factor on the loss of the labels where that decoder is sure of an outline; 1 there."""

    dual_task_weight: AtLeastZero = 0.0
    """Factor on the distance between the outlines of predicted and true labels, for any decoder;
    1 in the paper of `gscnn`."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: All weights are 0, or a setting belongs to another kind of loss.
        """
        for key in ('level_weights', 'classifier_weights'):
            weights = getattr(self, key)
            require(key, weights, not weights or any(weights), 'values that are not all 0')
        require(
            'box_gate',
            self.box_gate,
            self.box_gate == 'none' or self.kind == 'set',
            f"'none' for kind {self.kind!r}, since only kind 'set' has gates",
            'remove it',
        )
        require(
            'classifier_weights',
            self.classifier_weights,
            self.classifier_weights == PUBLISHED_CLASSIFIER_WEIGHTS or self.kind == 'iv2018',
            f"none for kind {self.kind!r}, since only kind 'iv2018' has them",
            'use level_weights',
        )
        require(
            'points_drawn',
            self.points_drawn,
            self.points_drawn == 'uniform' or self.points > 0,
            "'uniform' where points is 0",
            'set points',
        )

    @property
    def has_edges(self) -> bool:
        """Whether a term about outlines has a weight."""
        return bool(self.edge_weight or self.edge_attention_weight or self.dual_task_weight)

    def with_kind(self, kind: LossKind) -> LossConfig:
        """Return the same settings for another kind, without those that it does not have.

        Raises:
            ConfigError: There is no such kind.
        """
        return replace(
            self,
            kind=kind,
            box_gate=self.box_gate if kind == 'set' else 'none',
            classifier_weights=(
                self.classifier_weights if kind == 'iv2018' else PUBLISHED_CLASSIFIER_WEIGHTS
            ),
        )

    def check_head(self, head: str) -> None:
        """Check that the loss goes with a head.

        Raises:
            ConfigError: It does not.
        """
        needed = _HEAD_OF_KIND.get(self.kind, head)
        if head != needed:
            raise ConfigError(
                f'Loss {self.kind!r} has a network with the head {head!r}; expected the head '
                f'{needed!r}: set network.head, or use the loss set, which goes with both.'
            )

    def check_network(self, network: NetworkConfig, crop: ImageSize) -> None:
        """Check that the loss goes with a network and the size of its training crops.

        Args:
            network: Parts of the network.
            crop: (h, w) in pixels.

        Raises:
            ConfigError: It does not.
        """
        self.check_head(network.head)
        entry = DECODERS[network.decoder]
        pixels = crop[0] * crop[1]
        if self.points > pixels:
            raise ConfigError(
                f'Loss setting points is {self.points}, and a crop of {crop[0]}x{crop[1]} has '
                f'{pixels} pixels; expected at most as many: lower it, or 0 for all pixels.'
            )
        single = self.points and entry.reads_points
        if single and network.head != 'leaf' and network.branch == 'bottleneck':
            raise ConfigError(
                f"Network setting branch is 'bottleneck', which looks at neighbours, and decoder "
                f'{network.decoder!r} with loss.points computes single points; expected the '
                "branch 'pointwise', or points: 0."
            )
        for key in ('edge_weight', 'edge_attention_weight'):
            if getattr(self, key) and not entry.has_edges:
                having = [name for name, item in DECODERS.items() if item.has_edges]
                raise ConfigError(
                    f'Loss setting {key} is {getattr(self, key)} with the decoder '
                    f'{network.decoder!r}; expected one that predicts outlines ({having}), or 0.'
                )
        if single and self.dual_task_weight:
            raise ConfigError(
                f'Loss setting dual_task_weight is {self.dual_task_weight}, and decoder '
                f'{network.decoder!r} with loss.points computes single points, which have no '
                'outlines; expected 0, or points: 0.'
            )
