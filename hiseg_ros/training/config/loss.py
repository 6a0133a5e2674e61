# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of the loss of a training run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.settings import AtLeastZero, require, settings

LossKind = Literal['set', 'iv2018', 'flat']
BoxGateKind = Literal['none', 'soft', 'hard']
PUBLISHED_CLASSIFIER_WEIGHTS = (1.0, 0.1)

_HEAD_OF_KIND = {'iv2018': 'conditional', 'flat': 'leaf'}
"""The only head that a loss goes with."""


@settings
class LossConfig:
    """The loss of a run; docs/losses.md has the formulas."""

    kind: LossKind = 'set'
    """'set': minus the log of the summed probability of the allowed leaves; 'iv2018': cross
    entropy per classifier as published; 'flat': cross entropy over the leaves."""

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
