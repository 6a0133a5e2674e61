# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader of boxes and image tags in the files of Open Images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import IMAGE_ENDINGS, image_size
from hiseg_ros.datasets.mixtures import RelativeBox, WeakLabels, weak_labels
from hiseg_ros.datasets.open_images import Classes, read_boxes, read_tags
from hiseg_ros.datasets.sample import Box, Sample, read_image
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible

LABEL_SOURCES = ('both', 'boxes', 'tags')


class WeakImages:
    """One split of a dataset in the files of Open Images.

    <split>/<ImageID>.jpg (or <split>_0 to <split>_f, as the archives unpack)
    <split>-annotations-bbox.csv: boxes
    <split>-annotations-human-imagelabels.csv (or ...-boxable.csv): image tags
    class-descriptions-boxable.csv: names of the classes, where the other files have only codes

    One of the two annotation files is enough. Images without a box or tag of a class of the
    mapping are skipped, and so are annotations of images that are missing: few people have all of
    them. Boxes of depictions of an object (IsDepiction) and of views from inside it (IsInside) are
    skipped too.
    """

    mapping_name = 'openimages'

    def __init__(
        self,
        root: Path | str,
        split: str = 'train',
        labels: str = 'both',
        mapping: str = 'openimages',
        boxes: str = '',
        tags: str = '',
        limit: int = 0,
    ) -> None:
        """Read the annotations and check the images.

        Args:
            root: Folder of the dataset.
            split: Prefix of the names of files and folders.
            labels: 'boxes' or 'tags' takes only these; 'both' takes the tags of the images that
                have no box.
            mapping: Name in config/mappings or path of a YAML file; its labels have the names of
                the classes.
            boxes: Name of the file of boxes; empty for the usual one.
            tags: Name of the file of image tags; empty for the usual one.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: A file is missing, cut short or malformed, a box leaves its image, an
                option cannot be used, or no image has a label.
            MappingError: The mapping cannot be read.
        """
        if labels not in LABEL_SOURCES:
            raise DatasetError(
                f'Weak labels are {labels!r}; expected one of {list(LABEL_SOURCES)}.'
            )
        root = Path(root)
        files = _images(root, split)
        box_file = None if labels == 'tags' else _file(root, boxes, f'{split}-annotations-bbox')
        tag_file = (
            None
            if labels == 'boxes'
            else _file(root, tags, f'{split}-annotations-human-imagelabels')
        )
        if box_file is None and tag_file is None:
            raise DatasetError(
                f'{root} has no {split}-annotations-bbox.csv and no {split}-annotations-human-'
                f'imagelabels.csv (labels={labels!r}); expected one of them, as in Open Images.'
            )
        self._boxes: dict[str, tuple[RelativeBox, ...]] = {}
        self._tags: dict[str, tuple[int, ...]] = {}
        classes = Classes(root, mapping)
        self.mapping_name = classes.mapping_name
        if box_file:
            self._boxes = read_boxes(box_file, files, classes)
        if tag_file:
            self._tags = read_tags(tag_file, files, classes)
        self._names = spread(sorted(set(self._boxes) | set(self._tags)), limit)
        if not self._names:
            raise DatasetError(
                f'None of the {len(files)} images in {root} has a label of mapping {mapping!r}; '
                f'the annotations name {classes.examples()}: expected the names '
                f'{classes.wanted()}, with class-descriptions-boxable.csv for codes.'
            )
        self._files = [files[name] for name in self._names]
        check_each(self._files, _check)

    def __len__(self) -> int:
        """Return the number of labelled images."""
        return len(self._names)

    def mixtures(self, index: int) -> Mapping[int, Mapping[int, float]]:
        """Return the mixtures of an image without reading it."""
        return self._labels(index).mixtures

    def _labels(self, index: int) -> WeakLabels:
        name = self._names[index]
        return weak_labels(self._boxes.get(name, ()), self._tags.get(name, ()))

    def __getitem__(self, index: int) -> Sample:
        """Return an image, label ids or mixtures by pixel, 255 = unlabeled, and its boxes.

        Raises:
            DatasetError: The image is damaged.
        """
        name, labels = self._names[index], self._labels(index)
        image = read_image(self._files[index])
        height, width = image.shape[:2]
        boxes = tuple(
            Box(
                math.floor(box.x1 * width),
                math.floor(box.y1 * height),
                math.ceil(box.x2 * width) - 1,
                math.ceil(box.y2 * height) - 1,
                box.label_id,
            )
            for box in self._boxes.get(name, ())
        )
        return Sample(name, image, labels.label_ids((height, width)), boxes, labels.mixtures)


def _check(path: Path) -> None:
    image_size(path)


def _images(root: Path, split: str) -> dict[str, Path]:
    """Return the images of a split by image id.

    Raises:
        DatasetError: There is no image.
    """
    files = {
        path.stem: path
        for folder in (f'{split}/*', f'{split}_?/*')
        for path in visible(root.glob(folder))
        if path.suffix.lower() in IMAGE_ENDINGS
    }
    if not files:
        raise DatasetError(
            f'{root / split} has no image; expected <split>/<ImageID>.jpg as in Open Images.'
        )
    return files


def _file(root: Path, name: str, usual: str) -> Path | None:
    """Return the annotation file of a name, or the one with the usual prefix, if any.

    Raises:
        DatasetError: The named file does not exist, or several have the usual prefix.
    """
    if name:
        if not (root / name).is_file():
            raise DatasetError(f'{root / name} does not exist; expected an annotation file.')
        return root / name
    found = sorted(root.glob(f'*{usual}*.csv'))
    if len(found) > 1:
        raise DatasetError(
            f'{root} has {[path.name for path in found]}; expected one such file: name it with '
            'the option boxes or tags.'
        )
    return found[0] if found else None
