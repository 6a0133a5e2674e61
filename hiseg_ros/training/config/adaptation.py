# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of domain adaptation: which method, and images of the target, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.config.settings import (
    AboveZero,
    AtLeastZero,
    Count,
    CountFromOne,
    Switch,
    require,
    settings,
)

Method = Literal[
    'none',
    'adabn',
    'fda',
]

TARGET = 'target'
"""Name of the target beside those of the datasets, for `exported_norm`."""

FDA_BETA = 0.01
"""Default size of the swapped frequencies of the method 'fda'."""


@settings
class TargetConfig:
    """Images of the target domain. Nothing of this block can open a label."""

    root: str
    """A recording (rosbag2), a video file, an image, or a folder of images and what is below."""

    topic: str = ''
    """Camera of a recording; empty for the best one, colour before grey."""

    names: tuple[str, ...] = ()
    """Of a folder: only files whose name begins with one of these texts; empty for all."""

    without: tuple[str, ...] = ()
    """Of a folder: leave out files whose name begins with one of these texts, such as a drive."""

    images: Count = 0
    """How many images to take, evenly spread over time or names; 0 takes all, at most 2000."""

    numbers: tuple[Count, ...] = ()
    """Positions of the images to take, counted from 0, in place of `images`; empty for all."""

    height: Count = 0
    """Height in pixels to which larger images are reduced when they are read; 0 keeps them."""

    share: CountFromOne = 4
    """Target images in every batch of a method that looks at them; the others draw at random."""

    scale: tuple[AboveZero, AboveZero] = (0.75, 1.5)
    """Range of the random resize factor; images that would not fill the crop are enlarged."""

    flips: Switch = True
    """Mirror half of the crops."""

    augmentation: AugmentationConfig = AugmentationConfig()
    """Of the crops."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: A value cannot be used.
        """
        low, high = self.scale
        require('scale', self.scale, low <= high, 'two factors, the smaller first')
        require('root', self.root, bool(self.root.strip()), 'a recording, a video or a folder')


@settings
class AdaptationConfig:
    """Domain adaptation of a run: learn from labelled sources and unlabelled target images."""

    method: Method
    """See docs/adaptation.md."""

    target: TargetConfig

    fda_beta: Annotated[AtLeastZero, Field(le=0.5)] | None = None
    """Source crops get the amplitudes of a target crop within this share of the shorter side of
    frequency 0; by default 0.01 for the method 'fda' and 0, nothing, for others."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: A value cannot be used with the method.
        """
        beta, method = self.fda_beta, self.method
        fits = not (method == 'fda' and beta == 0)
        require('fda_beta', beta, fits, "a number above 0 for the method 'fda'", 'remove it')

    def check_run(self, names: Sequence[str], dataset_norm: bool) -> None:
        """Check that a run can be adapted.

        Args:
            names: Names of its datasets.
            dataset_norm: Its `dataset_norm`.

        Raises:
            ConfigError: It cannot.
        """
        require('datasets', list(names), TARGET not in names, f'other names than {TARGET!r}')
        fits = self.method != 'adabn' or not dataset_norm
        expected = "false for the method 'adabn', which replaces the statistics of all norms"
        require('dataset_norm', dataset_norm, fits, expected)

    @property
    def beta(self) -> float:
        """Size of the swapped frequencies, 0 for none."""
        if self.fda_beta is None:
            return FDA_BETA if self.method == 'fda' else 0.0
        return self.fda_beta

    @property
    def opens_target(self) -> bool:
        """Whether the run reads the target at all; 'none' without FDA is source-only."""
        return self.method != 'none' or self.beta > 0

    def in_folder(self, data: Path) -> AdaptationConfig:
        """Return the settings with a relative root resolved against a folder."""
        return replace(self, target=replace(self.target, root=str(data / self.target.root)))
