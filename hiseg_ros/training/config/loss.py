# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which loss a run has, and its settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hiseg_ros.errors import ConfigError

KINDS = ('set', 'iv2018', 'flat')
BOX_GATES = ('none', 'soft', 'hard')
PUBLISHED_CLASSIFIER_WEIGHTS = (1.0, 0.1)

_HEAD_OF_KIND = {'iv2018': 'conditional', 'flat': 'leaf'}
"""Heads without which a loss has no meaning."""


@dataclass(frozen=True)
class LossConfig:
    """The loss of a run; docs/losses.md has the formulas."""

    kind: str = 'set'
    """'set': minus the log of the summed probability of the allowed leaves; 'iv2018': cross
    entropy per classifier as published; 'flat': cross entropy over the leaves."""

    box_gate: str = 'none'
    """What a box's pixel weighs under `set`: 'none' 1, 'soft' the probability of its gate node
    (for a sign type: sign front), 'hard' 1 where the network decides for that node and 0
    elsewhere. `iv2018` always has its own hard gate, `flat` never has one."""

    level_weights: tuple[float, ...] = ()
    """Weight of a pixel by the level of the node that its label stands for, the root first; the
    last goes for all deeper levels. Empty weighs all levels 1."""

    classifier_weights: tuple[float, ...] = PUBLISHED_CLASSIFIER_WEIGHTS
    """Factor on each classifier's term of `iv2018` by the classifier's level, the root first; the
    last goes for all deeper levels."""

    def __post_init__(self) -> None:
        """Check the choices and ranges.

        Raises:
            ConfigError: A value cannot be used, or belongs to another kind of loss.
        """
        _require('kind', self.kind, self.kind in KINDS, f'one of {list(KINDS)}')
        gate = self.box_gate
        _require('box_gate', gate, gate in BOX_GATES, f'one of {list(BOX_GATES)}')
        for key in ('level_weights', 'classifier_weights'):
            weights = getattr(self, key)
            is_usable = all(0 <= weight < math.inf for weight in weights)
            is_usable = is_usable and (any(weights) or weights == ())
            _require(key, list(weights), is_usable, 'values of at least 0, not all of them 0')
        if self.box_gate != 'none' and self.kind != 'set':
            raise ConfigError(
                f'Loss setting box_gate is {self.box_gate!r} for kind {self.kind!r}; expected it '
                "with kind 'set' alone: remove it."
            )
        if self.classifier_weights == ():
            raise ConfigError('Loss setting classifier_weights is []; expected a value or more.')
        if self.classifier_weights != PUBLISHED_CLASSIFIER_WEIGHTS and self.kind != 'iv2018':
            raise ConfigError(
                f'Loss setting classifier_weights is {list(self.classifier_weights)} for kind '
                f"{self.kind!r}; expected it with kind 'iv2018' alone: use level_weights."
            )

    def with_kind(self, kind: str) -> LossConfig:
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


def _require(key: str, value: object, is_usable: bool, expected: str) -> None:
    if not is_usable:
        raise ConfigError(f'Loss setting {key} is {value!r}; expected {expected}.')
