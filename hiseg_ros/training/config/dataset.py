# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of one dataset of a training run."""

from __future__ import annotations

from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hiseg_ros.datasets import DATASETS
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.config.removal import RemovalConfig
from hiseg_ros.training.config.settings import (
    AboveZero,
    AtLeastZero,
    Count,
    CountFromOne,
    Number,
    Share,
    Switch,
    require,
    settings,
)


@settings
class SecondLabelsConfig:
    """Label images of another mapping for the images of a dataset, such as pseudo labels.

    A pixel then means what both labels allow; where they contradict each other the dataset's own
    holds, and where it is unlabeled it stays so.
    """

    root: str
    """Folder of <image>_<mapping>.png as `hiseg predict --mapping` writes them."""

    mapping: str
    """Name in config/mappings or path of a YAML file."""

    weight: AtLeastZero = 1.0
    """Factor on the weight of the pixels whose own label is narrowed."""

    source: str = ''
    """Where the labels come from, for the model card."""


@settings
class DatasetConfig:
    """One dataset of a run."""

    kind: str
    """Name of the dataset: one of hiseg_ros.datasets.DATASETS."""

    root: str
    """Folder of the dataset; drawn scenes are kept in it."""

    share: CountFromOne
    """Images in every batch."""

    weight: AtLeastZero = 1.0
    """Factor on this dataset's loss."""

    scale: tuple[AboveZero, AboveZero] = (0.75, 1.5)
    """Range of the random resize factor."""

    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the loader."""

    mapping: str = ''
    """What the labels mean, where that is not what the dataset's own mapping says: a name in
    config/mappings or the path of a YAML file with the same label ids."""

    label_weights: dict[str, Number] = field(default_factory=dict)
    """Weight of a pixel by label name; 1 where not given."""

    second_labels: SecondLabelsConfig | None = None
    """Labels of another kind for the same images, which narrow the dataset's own."""

    teacher_weight: AtLeastZero = 1.0
    """Factor on the loss of the run's teacher for this dataset; 0 does not ask it."""

    scale_from: Literal['native', 'cover'] = 'native'
    """Reference of `scale`: the image's own size ('native'), or the size at which it just
    covers the crop ('cover'). IV 2018: cover with a scale of 1."""

    box_centred: Share = 0.0
    """Share of the crops that are placed around a box."""

    box_scale: tuple[AboveZero, AboveZero] | None = None
    """Range of the resize factor of these crops, of the image's own size and with 1 in it: boxes
    are shown at native resolution. By default that of `scale`."""

    pasted_signs: Annotated[AtLeastZero, Field(lt=1000)] = 0.0
    """Mean number of signs pasted into a crop."""

    pasted_size: tuple[CountFromOne, CountFromOne] = (14, 72)
    """Smallest and largest longer side of a pasted sign in pixels."""

    flips: Switch = False
    """Mirror half of the crops, but for those with a sign type that has no mirror image: see
    `mirror_images` of the run."""

    repeat_threshold: Share = 0.0
    """Images with a label that is in a smaller share f of all images than this are shown
    sqrt(threshold / f) times per pass (repeat-factor sampling of LVIS); 0 shows each once."""

    in_memory: Switch | None = None
    """Keep the decoded images in memory, or read each whenever it is shown; by default in memory
    below 4 GiB, estimated from the first one."""

    augmentation: AugmentationConfig = AugmentationConfig()

    removal: RemovalConfig | None = None
    """Objects that are removed from a share of the crops; none by default."""

    from_epoch: Count = 0
    """Epoch in which this dataset joins the batches."""

    def __post_init__(self) -> None:
        """Check the kind and what concerns several settings.

        Raises:
            ConfigError: A value cannot be used.
        """
        require('kind', self.kind, self.kind in DATASETS, f'one of {list(DATASETS)}')
        low, high = self.scale
        require('scale', self.scale, low <= high, 'two factors, the smaller first')
        self._check_box_scale()
        least, largest = self.pasted_size
        expected = 'two lengths in pixels from 4 on, the smaller first'
        require('pasted_size', self.pasted_size, 4 <= least <= largest, expected)

    def __repr__(self) -> str:
        """Return the settings; results of comparisons of before `removal` keep their key."""
        given = [f for f in fields(self) if f.name != 'removal' or self.removal is not None]
        return f'DatasetConfig({", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in given)})'

    def in_folder(self, data: Path) -> DatasetConfig:
        """Return the dataset with its relative folders resolved against a folder."""
        second = self.second_labels
        return replace(
            self,
            root=str(data / self.root),
            second_labels=second and replace(second, root=str(data / second.root)),
        )

    def _check_box_scale(self) -> None:
        if self.box_scale is None and (not self.box_centred or self.scale_from != 'native'):
            expected = "a range, since scale_from 'cover' says nothing about native resolution"
            require('box_scale', self.box_scale, not self.box_centred, expected)
            return
        key = 'scale' if self.box_scale is None else 'box_scale'
        low, high = self.scale if self.box_scale is None else self.box_scale
        expected = 'a range with 1 in it, so that boxes are also shown at native resolution'
        advice = 'correct it' if self.box_scale else 'set box_scale'
        require(key, (low, high), low <= 1 <= high, expected, advice)
