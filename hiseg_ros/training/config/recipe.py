# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of augmentation, optimiser and schedule, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hiseg_ros.errors import ConfigError

OPTIMIZERS = ('adamw', 'sgd')
SCHEDULES = ('cosine', 'poly', 'steps', 'constant')


def require(key: str, value: object, is_usable: bool, expected: str) -> None:
    """Refuse a value.

    Raises:
        ConfigError: It is not usable.
    """
    if not is_usable:
        raise ConfigError(f'Training setting {key} is {value!r}; expected {expected}.')


@dataclass(frozen=True)
class AugmentationConfig:
    """Colours, blur and noise of one dataset's crops.

    IV 2018 (Cityscapes and GTSDB; none on Vistas): colour 0.5, brightness 0, brightness_shift 16,
    contrast 0.2, saturation 0.2, hue 0.1, blur 0, noise 0, median 0.125, bilateral 0.25 (it draws
    median filters at 0.25 with a kernel of 1 or 3 pixels, and 1 changes nothing).
    """

    colour: float = 0.8
    """Probability of other colours, in [0, 1]."""
    brightness: float = 0.35
    """Largest relative change: a factor from 0.65 to 1.35; so are contrast and saturation."""
    brightness_shift: float = 0.0
    """Largest grey levels, of 255, added to or taken from every pixel."""
    contrast: float = 0.35
    saturation: float = 0.35
    hue: float = 0.03
    """Largest turn of the colour circle, in [0, 0.5] turns."""
    blur: float = 0.25
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.3, 1.2)
    """Its range in pixels."""
    median: float = 0.0
    """Probability of a 3x3 median filter; never together with the bilateral one."""
    bilateral: float = 0.0
    """Probability of a 3x3 bilateral filter."""
    bilateral_sigma: float = 35.0
    """Its width in grey levels and in pixels."""
    noise: float = 0.25
    """Probability of noise."""
    noise_sigma: tuple[float, float] = (1.0, 8.0)
    """Its range in grey levels."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: A value cannot be used.
        """
        for key in ('colour', 'blur', 'median', 'bilateral', 'noise'):
            value = getattr(self, key)
            require(f'augmentation {key}', value, 0 <= value <= 1, 'a probability from 0 to 1')
        require(
            'augmentation median and bilateral',
            (self.median, self.bilateral),
            self.median + self.bilateral <= 1,
            'at most 1 in sum, since only one is applied',
        )
        for key in ('brightness', 'contrast', 'saturation'):
            value = getattr(self, key)
            require(f'augmentation {key}', value, 0 <= value <= 1, '0 to 1')
        require('augmentation hue', self.hue, 0 <= self.hue <= 0.5, '0 to 0.5')
        shift = self.brightness_shift
        require('augmentation brightness_shift', shift, 0 <= shift <= 255, '0 to 255')
        sigma = self.bilateral_sigma
        require('augmentation bilateral_sigma', sigma, 0 < sigma < math.inf, 'more than 0')
        low, high = self.blur_sigma
        require(
            'augmentation blur_sigma',
            self.blur_sigma,
            0 < low <= high < math.inf,
            'two lengths above 0, the smaller first',
        )
        low, high = self.noise_sigma
        require(
            'augmentation noise_sigma',
            self.noise_sigma,
            0 <= low <= high < math.inf,
            'two levels, the smaller first',
        )


@dataclass(frozen=True)
class OptimizerConfig:
    """How gradients become steps; rate and weight decay are settings of the run."""

    kind: str = 'adamw'
    """One of OPTIMIZERS. IV 2018: sgd without Nesterov."""
    momentum: float = 0.9
    """Of sgd, in [0, 1)."""
    nesterov: bool = False
    """Of sgd."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of adamw: decay of the averages of gradient and square."""

    def __post_init__(self) -> None:
        """Check choice and ranges.

        Raises:
            ConfigError: A value cannot be used.
        """
        require('optimizer kind', self.kind, self.kind in OPTIMIZERS, f'one of {list(OPTIMIZERS)}')
        require('optimizer momentum', self.momentum, 0 <= self.momentum < 1, '0 to less than 1')
        require(
            'optimizer nesterov',
            self.nesterov,
            not self.nesterov or self.momentum > 0,
            'false where momentum is 0',
        )
        fits = all(0 <= beta < 1 for beta in self.betas)
        require('optimizer betas', self.betas, fits, 'two numbers from 0 to less than 1')


@dataclass(frozen=True)
class ScheduleConfig:
    """The learning rate over the run, after a linear warm-up of `warmup_steps`."""

    kind: str = 'cosine'
    """'cosine' and 'poly' fall to 0 at the end, 'steps' falls at milestones, 'constant' stays.

    IV 2018: steps with milestones [72000, 135000] of 153000 steps and factor 0.5.
    """
    power: float = 0.9
    """Of poly: (1 - progress) ** power."""
    milestones: tuple[int, ...] = ()
    """Of steps: number of optimiser steps, warm-up included, after which the rate falls."""
    factor: float = 0.1
    """Of steps: by what the rate is multiplied at each milestone."""

    def __post_init__(self) -> None:
        """Check choice and ranges.

        Raises:
            ConfigError: A value cannot be used.
        """
        require('schedule kind', self.kind, self.kind in SCHEDULES, f'one of {list(SCHEDULES)}')
        require('schedule power', self.power, 0 < self.power < math.inf, 'more than 0')
        require('schedule factor', self.factor, 0 < self.factor <= 1, 'more than 0, at most 1')
        ascend = list(self.milestones) == sorted(set(self.milestones))
        require(
            'schedule milestones',
            self.milestones,
            ascend and all(step > 0 for step in self.milestones),
            'numbers of steps, ascending and above 0',
        )
        require(
            'schedule milestones',
            self.milestones,
            bool(self.milestones) == (self.kind == 'steps'),
            "some for the kind 'steps' and none for another",
        )
