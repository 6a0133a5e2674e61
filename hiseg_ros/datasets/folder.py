# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader for any folder whose images and label files pair up by name.

Either its options say where the files are, or a layout does: a YAML file in config/layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.dataset_labels import DatasetLabels, read_dataset_labels
from hiseg_ros.datasets.encodings import (
    ByteLabels,
    Channel16Labels,
    LabelReader,
    PaletteLabels,
    label_reader,
)
from hiseg_ros.datasets.file_checks import check_names, spread
from hiseg_ros.datasets.layout import Encoding, IdFamily, Layout, read_layout
from hiseg_ros.datasets.layout_files import begins, check_label_list, find_pairs, find_place
from hiseg_ros.datasets.paired_files import Pair, PairedFiles, pair_files
from hiseg_ros.errors import DatasetError

LOOKED_AT = 8
"""Number of label files of a layout that are read when the folder is opened."""

LARGEST_TRAIN_ID = 18
LARGEST_LABEL_ID = 34

FAMILIES = {('road', 7, 'sky', 23): IdFamily.LABEL_IDS, ('road', 0, 'sky', 10): IdFamily.TRAIN_IDS}
"""Numbering of Cityscapes, by two of its labels and their ids."""

VOID_LABEL_IDS = frozenset({0, 2, 3, 4, 5, 6, 18})
"""Void as labelIds; road, building, wall, fence, pole, traffic light and bicycle as train ids."""

LEAST_VOID_IDS = 3
"""Different ones of these, beside no labelId above 18, from which files have train ids. Whoever
labels a yard with a few classes uses one or two, for pixels without a label."""

READERS: dict[str, Callable[[str], LabelReader]] = {
    Encoding.BYTES.value: ByteLabels,
    Encoding.PALETTE.value: PaletteLabels,
    Encoding.CHANNEL16.value: Channel16Labels,
}
"""Encodings of a folder without a layout; the others need tables, which a layout has."""


class LabelledFolder(PairedFiles):
    """A folder whose images and label files pair up by name."""

    def __init__(
        self,
        root: Path | str,
        mapping: str = '',
        images: str = '',
        labels: str = '',
        limit: int = 0,
        encoding: str = '',
        layout: str = '',
        split: str = '',
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> None:
        """Find and check the files.

        Args:
            root: The folder.
            mapping: Name in config/mappings, or path of a YAML file: what the label ids mean. A
                layout has its own.
            images: Path of the images in the folder, by default 'images/*.jpg'; a * stands for any
                text but a slash.
            labels: Path of the label files, by default 'labels/*.png', with as many *: an image's
                label file is the one whose stars stand for the same texts.
            limit: How many images to take, evenly spread; 0 takes all.
            encoding: 'bytes' (default), 'palette' or 'channel16'.
            layout: Name in config/layouts, or path of a YAML file, in place of images, labels and
                encoding.
            split: Split of the layout; empty for its first.
            only: Keep images one of whose stars begins with one of these texts: drives, cities,
                kinds of weather; empty keeps all.
            without: Leave out such images.

        Raises:
            ConfigError: The layout cannot be read.
            DatasetError: Options contradict each other, half of the folder is missing, a file
                lacks its partner, is cut short or has another size than its partner, labels have
                another encoding or other ids, or there is no image at all.
            MappingError: The mapping cannot be read.
        """
        root = Path(root)
        keep = tuple(check_names(only, 'Values of only'))
        leave = tuple(check_names(without, 'Values of without'))
        self._layout: Layout | None = read_layout(layout) if layout else None
        if self._layout and (images or labels or encoding):
            raise DatasetError(
                f'{root} has the layout {layout!r} and also images, labels or encoding; expected '
                'one of the two: the layout says where the files are.'
            )
        if not self._layout and (split or not mapping):
            raise DatasetError(
                f'{root} is opened with mapping {mapping!r} and split {split!r}; expected a '
                'mapping and no split, or a layout: name one of config/layouts.'
            )
        self._labels = read_dataset_labels(self._layout.mapping if self._layout else mapping)
        self.mapping_name = self._labels.mapping_name
        reader: LabelReader | None
        if self._layout:
            pairs, reader = self._open_layout(root, self._layout, split)
        else:
            pairs = pair_files(
                root, images or 'images/*.jpg', labels or 'labels/*.png', 'the folder'
            )
            reader = _plain_reader(root, encoding) if encoding else None
        chosen = [
            pair for pair in pairs if (not keep or begins(pair, keep)) and not begins(pair, leave)
        ]
        if not chosen:
            raise DatasetError(
                f'{root} leaves no image with split={split!r}, only={list(keep)} and '
                f'without={list(leave)}; expected at least one.'
            )
        super().__init__(chosen, limit, reader=reader)
        if self._layout:
            self._look_at_labels(self._layout)
        else:
            self._look_at_family(_family_of(self._labels))
        # `mapping` beside a layout means the same ids in another way: its ids were checked above.
        if self._layout and mapping:
            self._labels = read_dataset_labels(mapping)
            self.mapping_name = self._labels.mapping_name

    def _open_layout(
        self, root: Path, layout: Layout, split: str
    ) -> tuple[list[Pair], LabelReader]:
        split = split or next(iter(layout.splits))
        place = find_place(root, layout, split)
        if place.label_list:
            check_label_list(root / place.label_list, self._labels, layout)
        names = {label.published_as or label.name: label.label_id for label in self._labels.labels}
        reader = label_reader(
            layout.encoding,
            layout.hint,
            layout.colours,
            root / place.segments if place.segments else None,
            {**names, **layout.void_names},
            layout.void,
        )
        return find_pairs(root, layout, place, split), reader

    def _look_at_labels(self, layout: Layout) -> None:
        """Read some label files, so that a wrong encoding is refused before the first epoch."""
        present: set[int] = set()
        looked_at = spread(self._pairs, LOOKED_AT)
        for pair in looked_at:
            label_ids = self._reader.read(pair.labels)
            self._check_ids(pair, label_ids)
            present |= _ids_in(label_ids)
        # Sky, vegetation, people and cars have labelIds above 18; no street lacks all of them.
        if layout.ids is IdFamily.LABEL_IDS and max(present) <= LARGEST_TRAIN_ID:
            raise DatasetError(
                f'{looked_at[0].labels} and {len(looked_at) - 1} others have the ids '
                f'{sorted(present)} and none from 19 to {LARGEST_LABEL_ID}; expected labelIds, '
                f'these are train ids: {layout.hint}.'
            )

    def _look_at_family(self, family: IdFamily) -> None:
        """Read some label files, so that one numbering of Cityscapes is not taken for the other.

        Less is refused than in a layout: not every folder shows streets, and an own one may have
        255 for pixels without a label.
        """
        if family is IdFamily.NONE:
            return
        looked_at = spread(self._pairs, LOOKED_AT)
        present: set[int] = set()
        for pair in looked_at:
            present |= _ids_in(self._reader.read(pair.labels))
        above = sorted(one for one in present if LARGEST_TRAIN_ID < one <= LARGEST_LABEL_ID)
        where = f'{looked_at[0].labels} and {len(looked_at) - 1} others have'
        if family is IdFamily.TRAIN_IDS and above:
            raise DatasetError(
                f'{where} the id {above[0]}, which only labelIds have; expected train ids, 0 to '
                f'{LARGEST_TRAIN_ID} and 255, as in mapping {self.mapping_name!r}: take the '
                'mapping cityscapes_labelids, or the other label files.'
            )
        void = present & VOID_LABEL_IDS
        if family is IdFamily.LABEL_IDS and not above and len(void) >= LEAST_VOID_IDS:
            raise DatasetError(
                f'{where} the ids {sorted(present)}, none from 19 to {LARGEST_LABEL_ID} and '
                f'{len(void)} that are no label in mapping {self.mapping_name!r}; expected '
                'labelIds, these are train ids: take the mapping cityscapes_trainids, or the '
                'other label files.'
            )

    def _check_ids(self, pair: Pair, label_ids: NDArray[np.uint8]) -> None:
        layout = self._layout
        if layout is None:  # any id, as far as the mapping is concerned
            super()._check_ids(pair, label_ids)
            return
        present = _ids_in(label_ids)
        if layout.ids is IdFamily.LABEL_IDS and 255 in present:
            raise DatasetError(
                f'{pair.labels} has the id 255, which only train ids have; expected labelIds, 0 '
                f'to {LARGEST_LABEL_ID}: {layout.hint}.'
            )
        wrong = sorted(present - self._labels.known_ids)
        if wrong and layout.ids is IdFamily.TRAIN_IDS and wrong[-1] <= LARGEST_LABEL_ID:
            raise DatasetError(
                f'{pair.labels} has the id {wrong[0]}, which only labelIds have; expected train '
                f'ids, 0 to {LARGEST_TRAIN_ID} and 255: {layout.hint}.'
            )
        if wrong:
            known = sorted(self._labels.known_ids)
            raise DatasetError(
                f'{pair.labels} has the label id {wrong[0]}; expected one of mapping '
                f'{self._labels.mapping_name!r}, {known[0]} to {known[-1]}: {layout.hint}.'
            )


class LayoutLoader:
    """Opens folders of one layout, as the loader of a dataset in the registry."""

    def __init__(self, layout: str, mapping_name: str) -> None:
        """Keep the names of the layout and of its mapping."""
        self.layout, self.mapping_name = layout, mapping_name

    def __call__(
        self,
        root: Path | str,
        split: str = 'train',
        only: Sequence[str] = (),
        without: Sequence[str] = (),
        limit: int = 0,
    ) -> LabelledFolder:
        """Open a folder; see `LabelledFolder`."""
        return LabelledFolder(
            root, layout=self.layout, split=split, only=only, without=without, limit=limit
        )


def _plain_reader(root: Path, encoding: str) -> LabelReader:
    if encoding not in READERS:
        raise DatasetError(
            f'{root} is opened with the encoding {encoding!r}; expected one of {list(READERS)}, '
            'or a layout, which has the tables of the other encodings.'
        )
    return READERS[encoding]('name the encoding that they have, or convert them')


def _ids_in(label_ids: NDArray[np.uint8]) -> set[int]:
    return set(np.flatnonzero(np.bincount(label_ids.ravel(), minlength=1)).tolist())


def _family_of(labels: DatasetLabels) -> IdFamily:
    """Return which numbering of Cityscapes the labels of a folder have, if any."""
    ids = {label.name: label.label_id for label in labels.labels}
    family = FAMILIES.get(('road', ids.get('road', -1), 'sky', ids.get('sky', -1)), IdFamily.NONE)
    if family is IdFamily.TRAIN_IDS and max(labels.known_ids - {255}) > LARGEST_TRAIN_ID:
        return IdFamily.NONE  # a numbering of its own that begins like that
    return family
