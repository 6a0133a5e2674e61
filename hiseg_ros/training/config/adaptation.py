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
    BelowOne,
    Count,
    CountFromOne,
    Share,
    Switch,
    require,
    settings,
)

Method = Literal[
    'none',
    'adabn',
    'fda',
    'feature',
    'output',
    'multi_level',
    'entropy',
    'classmix',
    'node_labels',
]

TARGET = 'target'
"""Name of the target beside those of the datasets, for `exported_norm`."""

ADVERSARIAL: tuple[Method, ...] = ('feature', 'output', 'multi_level', 'entropy')
"""Methods with a discriminator of source and target."""

SELF_TRAINING: tuple[Method, ...] = ('classmix', 'node_labels')
"""Methods with a slow teacher, whose labels of the target are pasted over by the source."""

WEIGHTS: dict[Method, float] = {
    'feature': 0.001,
    'output': 0.001,
    'multi_level': 0.001,
    'entropy': 0.001,
    'classmix': 1.0,
    'node_labels': 1.0,
}
"""Default weight of a method's loss, as published; the other methods have no loss."""

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
    """Target images in every batch of a method that looks at them."""

    scale: tuple[AboveZero, AboveZero] = (0.75, 1.5)
    """Range of the random resize factor; images that would not fill the crop are enlarged."""

    flips: Switch = True
    """Mirror half of the crops."""

    augmentation: AugmentationConfig = AugmentationConfig()
    """Of the crops; with a teacher of the mixed images, and the teacher sees the clean crop."""

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

    weight: AtLeastZero | None = None
    """Factor on the method's loss of target images (lambda of AdaptSegNet and ADVENT), by default
    0.001, with a teacher 1. At 0 the run trains as without the block, but for norm statistics."""

    classes: str = ''
    """Mapping whose labels, and one class for the rest, a discriminator sees and ClassMix labels:
    a name in config/mappings or a path; empty for that of the first dataset."""

    from_step: Count = 200
    """Steps before the network learns from the target; discriminators learn from the start."""

    fda_beta: Annotated[AtLeastZero, Field(le=0.5)] | None = None
    """Source crops get the amplitudes of a target crop within this share of the shorter side of
    frequency 0; by default 0.01 for the method 'fda' and 0, nothing, for others."""

    discriminator_learning_rate: AboveZero = 1e-4
    discriminator_sees: Literal['grid', 'image'] = 'grid'
    """'grid': the network's own grid, with the stride of the last two convolutions dropped;
    'image': enlarged to the crop, five strides, as published and 16 times the work."""

    auxiliary_weight: AtLeastZero = 0.1
    """Of multi_level: factor on the segmentation loss of the head on the stage at stride 16."""

    auxiliary_share: AtLeastZero = 0.2
    """Of multi_level: adversarial weight of that head, as a factor on `weight`."""

    teacher_decay: BelowOne = 0.99
    """Of classmix and node_labels: the teacher keeps this share of itself at each step."""

    threshold: Share = 0.968
    """Of classmix and node_labels: probability from which a label or a node is sure."""

    unsure: Literal['weighted', 'ignored'] = 'weighted'
    """Of classmix: target pixels below the threshold keep their likeliest label, and all of them
    weigh as much as the share of sure ones ('weighted', as in DACS), or have no label
    ('ignored')."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: A value cannot be used with the method.
        """
        beta, method = self.fda_beta, self.method
        fits = not (method == 'fda' and beta == 0)
        require('fda_beta', beta, fits, "a number above 0 for the method 'fda'", 'remove it')
        has_loss = method in WEIGHTS or self.weight is None
        expected = f'none for the method {method!r}, which has no loss of its own'
        require('weight', self.weight, has_loss, expected, 'remove it')
        fits = method != 'node_labels' or self.threshold > 0.5
        expected = 'a number above 0.5, so that sure nodes lie on one path of the tree'
        require('threshold', self.threshold, fits, expected)

    def check_run(
        self, names: Sequence[str], steps: int, points: int, optimizer: str, dataset_norm: bool
    ) -> None:
        """Check that a run can be adapted.

        Args:
            names: Names of its datasets.
            steps: Its steps.
            points: Its `loss.points`.
            optimizer: Its `optimizer.kind`.
            dataset_norm: Its `dataset_norm`.

        Raises:
            ConfigError: It cannot.
        """
        require('datasets', list(names), TARGET not in names, f'other names than {TARGET!r}')
        fits = self.method != 'adabn' or not dataset_norm
        expected = "false for the method 'adabn', which replaces the statistics of all norms"
        require('dataset_norm', dataset_norm, fits, expected)
        if not self.sees_target:
            return
        expected = f'less than the {steps} steps of the run'
        require('adaptation.from_step', self.from_step, self.from_step < steps, expected)
        expected = f'0 for the method {self.method!r}, which looks at whole grids'
        require('loss.points', points, points == 0, expected)
        fits = self.method not in ADVERSARIAL or optimizer == 'adamw'
        expected = f"'adamw' for the method {self.method!r}, whose discriminator needs it"
        require('optimizer.kind', optimizer, fits, expected)

    @property
    def loss_weight(self) -> float:
        """Factor on the method's loss."""
        return WEIGHTS.get(self.method, 0.0) if self.weight is None else self.weight

    @property
    def beta(self) -> float:
        """Size of the swapped frequencies, 0 for none."""
        if self.fda_beta is None:
            return FDA_BETA if self.method == 'fda' else 0.0
        return self.fda_beta

    @property
    def sees_target(self) -> bool:
        """Whether batches have target images."""
        return self.method in WEIGHTS

    @property
    def opens_target(self) -> bool:
        """Whether the run reads the target at all; 'none' without FDA is source-only."""
        return self.method != 'none' or self.beta > 0

    def in_folder(self, data: Path) -> AdaptationConfig:
        """Return the settings with a relative root resolved against a folder."""
        return replace(self, target=replace(self.target, root=str(data / self.target.root)))
