# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of augmentation, optimiser and learning-rate schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hiseg_ros.training.config.settings import (
    AboveZero,
    AtLeastZero,
    BelowOne,
    CountFromOne,
    Share,
    Switch,
    require,
    settings,
)


@settings
class AugmentationConfig:
    """Colours, blur and noise of one dataset's crops.

    IV 2018 (Cityscapes and GTSDB; none on Vistas): colour 0.5, brightness 0, brightness_shift 16,
    contrast 0.2, saturation 0.2, hue 0.1, blur 0, noise 0, median 0.125, bilateral 0.25 (it draws
    median filters at 0.25 with a kernel of 1 or 3 pixels, and 1 changes nothing).
    """

    colour: Share = 0.8
    """Probability of a colour jitter."""
    brightness: Share = 0.35
    """Largest relative change: a factor from 0.65 to 1.35; so are contrast and saturation."""
    brightness_shift: Annotated[AtLeastZero, Field(le=255)] = 0.0
    """Largest number of grey levels, of 255, added to or subtracted from every pixel."""
    contrast: Share = 0.35
    saturation: Share = 0.35
    hue: Annotated[AtLeastZero, Field(le=0.5)] = 0.03
    """Largest rotation of the hue, in [0, 0.5] turns."""
    blur: Share = 0.25
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[AboveZero, AboveZero] = (0.3, 1.2)
    """Range of its standard deviation in pixels."""
    median: Share = 0.0
    """Probability of a 3x3 median filter; never together with the bilateral one."""
    bilateral: Share = 0.0
    """Probability of a 3x3 bilateral filter."""
    bilateral_sigma: AboveZero = 35.0
    """Its standard deviation in grey levels and in pixels."""
    noise: Share = 0.25
    """Probability of Gaussian noise."""
    noise_sigma: tuple[AtLeastZero, AtLeastZero] = (1.0, 8.0)
    """Range of its standard deviation in grey levels."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: A range is not in order, or both filters together are too likely.
        """
        both = self.median + self.bilateral
        expected = 'at most 1 together with median, since only one of them is applied'
        require('bilateral', self.bilateral, both <= 1, expected)
        for key in ('blur_sigma', 'noise_sigma'):
            low, high = getattr(self, key)
            require(key, (low, high), low <= high, 'two numbers, the smaller first')


@settings
class OptimizerConfig:
    """The optimiser; learning rate and weight decay are settings of the run."""

    kind: Literal['adamw', 'sgd'] = 'adamw'
    """IV 2018: sgd without Nesterov."""
    momentum: BelowOne = 0.9
    """Of sgd."""
    nesterov: Switch = False
    """Of sgd."""
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    """Of adamw: decay of the averages of gradient and square."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: Nesterov's momentum is asked for without momentum.
        """
        fits = not self.nesterov or self.momentum > 0
        require('nesterov', self.nesterov, fits, 'false where momentum is 0')


@settings
class ScheduleConfig:
    """The learning rate over the run, after a linear warm-up of `warmup_steps`."""

    kind: Literal['cosine', 'poly', 'steps', 'constant'] = 'cosine'
    """'cosine' and 'poly' fall to 0 at the end, 'steps' falls at milestones, 'constant' stays.

    IV 2018: steps with milestones [72000, 135000] of 153000 steps and factor 0.5.
    """
    power: AboveZero = 0.9
    """Of poly: (1 - progress) ** power."""
    milestones: tuple[CountFromOne, ...] = ()
    """Of steps: number of optimiser steps, warm-up included, after which the rate falls."""
    factor: Annotated[AboveZero, Field(le=1)] = 0.1
    """Of steps: the rate is multiplied by it at each milestone."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: Milestones do not ascend or do not go with the kind.
        """
        ascends = list(self.milestones) == sorted(set(self.milestones))
        require('milestones', self.milestones, ascends, 'ascending numbers of steps')
        require(
            'milestones',
            self.milestones,
            bool(self.milestones) == (self.kind == 'steps'),
            "some for the kind 'steps' and none for another",
        )
