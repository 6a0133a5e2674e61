# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Registry of the datasets: one entry each, with everything that depends on the dataset.

No other file compares names of datasets. A new dataset is a loader in a file of its own and an
entry here; training, `hiseg evaluate` and the other verbs then offer it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from hiseg_ros.errors import ConfigError

# Loaders and formats are imported when they are used: choices of the command line need only names.
if TYPE_CHECKING:
    from collections.abc import Callable

    from hiseg_ros.datasets.drawn_formats import DrawnFormat
    from hiseg_ros.datasets.sample import SegmentationDataset


class Measure(Enum):
    """Kind of ground truth that a network is measured on."""

    PIXELS = 'pixels'
    """Label images: IoU and the like."""
    SIGNS = 'signs'
    """Boxes of sign types: found signs, and their types."""
    BOXES = 'boxes'
    """Boxes of other things: found boxes, and pixels that lie in one; comparisons measure them."""


@dataclass(frozen=True)
class DriveOptions:
    """Loader options that choose drives, which are parts of a split by their file names."""

    keep: str
    """Option with the only drives to take; `hiseg evaluate --drive` sets it."""
    leave_out: str
    """Option with drives to leave out; a comparison measures on those that training left out."""


@dataclass(frozen=True)
class DatasetEntry:
    """Everything that depends on a dataset."""

    loader: str
    """Module below hiseg_ros.datasets and class in it, as in 'camvid:CamVid'. The first argument
    is the folder, the others are the options of the dataset."""
    mapping: str = ''
    """Name in config/mappings. Empty where the labels may be any: the loader then has the option
    `mapping`, which must be given."""
    measure: Measure | None = None
    """How `hiseg evaluate` measures on it; None where its labels cannot be measured on."""
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Loader options by the name of a split, as `hiseg evaluate --split` takes it; empty where
    there are no splits."""
    kept_out: str = ''
    """Split that training leaves out and a comparison measures on; empty for none."""
    kept_out_options: tuple[str, ...] = ()
    """Loader options that say which part is kept out: training and that split must agree."""
    drives: DriveOptions | None = None
    """None where a dataset has no drives to choose from."""
    count_option: str = ''
    """Loader option for the number of images, where they are made when the dataset is opened."""
    default_validation: Mapping[str, Any] | None = None
    """Loader options for the validation of runs that name none; None for no validation."""
    has_sign_boxes: bool = False
    """Whether samples have boxes of the sign types: signs to paste are cut out of them."""
    drawn_format: str = ''
    """Module below hiseg_ros.datasets and DrawnFormat in it: how `hiseg synthesize` writes drawn
    scenes as this dataset; empty where it does not."""
    layout: str = ''
    """Name in config/layouts, which the loader and the drawn format get; empty for none."""
    layout_option: str = ''
    """Loader option that names a layout; `hiseg evaluate --layout` sets it."""

    def load_loader(self) -> Callable[..., SegmentationDataset]:
        """Import and return the loader."""
        loader = _imported(self.loader)
        if self.layout:
            loader = loader(self.layout, self.mapping)
        found: Callable[..., SegmentationDataset] = loader
        return found

    def load_drawn_format(self) -> DrawnFormat:
        """Import and return how drawn scenes are written as this dataset, where they are."""
        written = _imported(self.drawn_format)
        if self.layout:
            written = written(self.layout)
        found: DrawnFormat = written
        return found


def _with_layout(layout: str, mapping: str) -> DatasetEntry:
    """Return the entry of a dataset whose files a layout describes."""
    return DatasetEntry(
        loader='folder:LayoutLoader',
        mapping=mapping,
        measure=Measure.PIXELS,
        splits={name: {'split': name} for name in ('train', 'val')},
        kept_out='val',
        drives=DriveOptions(keep='only', leave_out='without'),
        drawn_format='drawn_layouts:layout_format',
        layout=layout,
    )


DATASETS: dict[str, DatasetEntry] = {
    'camvid': DatasetEntry(
        loader='camvid:CamVid',
        mapping='camvid',
        measure=Measure.PIXELS,
        splits={name: {'split': name} for name in ('train', 'val', 'test')},
        kept_out='val',
        drives=DriveOptions(keep='drives', leave_out='without_drives'),
        default_validation={'split': 'val'},
    ),
    'cityscapes': DatasetEntry(
        loader='cityscapes:Cityscapes',
        mapping='cityscapes',
        measure=Measure.PIXELS,
        splits={name: {'split': name} for name in ('train', 'val', 'test')},
        kept_out='val',
        drawn_format='drawn_formats:CITYSCAPES',
    ),
    'vistas': DatasetEntry(
        loader='vistas:Vistas',
        mapping='vistas',
        measure=Measure.PIXELS,
        splits={
            'train': {'split': 'training'},
            'training': {'split': 'training'},
            'val': {'split': 'validation'},
            'validation': {'split': 'validation'},
        },
        kept_out='val',
        drawn_format='drawn_formats:VISTAS',
    ),
    'gtsdb': DatasetEntry(
        loader='gtsdb:Gtsdb',
        mapping='gtsdb',
        measure=Measure.SIGNS,
        splits={
            'val': {'part': 'held_out'},
            **{name: {'part': name} for name in ('held_out', 'train', 'all', 'test')},
        },
        kept_out='val',
        kept_out_options=('held_out_every',),
        has_sign_boxes=True,
        drawn_format='drawn_formats:GTSDB',
    ),
    'weak': DatasetEntry(loader='weak:WeakImages', mapping='openimages'),
    'carla_boxes': DatasetEntry(
        loader='carla_boxes:CarlaBoxes',
        mapping='carla_boxes',
        measure=Measure.BOXES,
        splits={name: {'split': name} for name in ('train', 'test')},
        kept_out='test',
    ),
    'drawn': DatasetEntry(
        loader='drawn:DrawnScenes',
        mapping='drawn',
        measure=Measure.PIXELS,
        # Scenes of the validation have seeds that training does not use.
        splits={
            name: {'first_seed': first_seed, 'count': 50, 'size': (384, 768)}
            for name, first_seed in (('train', 0), ('val', 900_000))
        },
        count_option='count',
    ),
    'unlabelled': DatasetEntry(
        loader='unlabelled:UnlabelledImages', mapping='cityscapes_labelids'
    ),
    'folder': DatasetEntry(
        loader='folder:LabelledFolder', measure=Measure.PIXELS, layout_option='layout'
    ),
    'gta5': _with_layout('gta5', 'gta5'),
    'synthia': _with_layout('synthia', 'synthia'),
    'kitti': _with_layout('kitti', 'cityscapes'),
    'bdd100k': _with_layout('bdd100k', 'cityscapes_trainids'),
    'idd': _with_layout('idd', 'idd'),
    'acdc': _with_layout('acdc', 'cityscapes_labelids'),
    'wilddash_2': _with_layout('wilddash_2', 'wilddash_2'),
    'vistas_2': _with_layout('vistas_2', 'vistas_2'),
    'ade20k': _with_layout('ade20k', 'ade20k'),
    'coco_stuff': _with_layout('coco_stuff', 'coco_stuff'),
    'voc': _with_layout('voc', 'voc'),
    'a2d2': _with_layout('a2d2', 'a2d2'),
    'vkitti_2': _with_layout('vkitti_2', 'vkitti_2'),
    'urbansyn': _with_layout('urbansyn', 'cityscapes_trainids'),
    'camvid_32': _with_layout('camvid_32', 'camvid_32'),
}
"""By the name of the dataset: the `kind` of an experiment's datasets, `--dataset`, `--format`."""


def dataset_entry(name: str) -> DatasetEntry:
    """Return the entry of a dataset.

    Raises:
        ConfigError: There is no such dataset.
    """
    if name not in DATASETS:
        raise ConfigError(f'The kind of dataset is {name!r}; expected one of {list(DATASETS)}.')
    return DATASETS[name]


def names_measured_by(*measures: Measure) -> tuple[str, ...]:
    """Return the names of the datasets that are measured in one of these ways."""
    return tuple(name for name, entry in DATASETS.items() if entry.measure in measures)


def names_of_drawn_formats() -> tuple[str, ...]:
    """Return the names of the datasets as which drawn scenes can be written."""
    return tuple(name for name, entry in DATASETS.items() if entry.drawn_format)


def _imported(place: str) -> Any:
    module, name = place.split(':')
    return getattr(importlib.import_module(f'hiseg_ros.datasets.{module}'), name)
