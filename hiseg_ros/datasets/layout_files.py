# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The files of a folder that has the layout of a published dataset."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

from hiseg_ros.datasets.dataset_labels import DatasetLabels
from hiseg_ros.datasets.image_files import image_size
from hiseg_ros.datasets.layout import Layout, Place, SplitRule
from hiseg_ros.datasets.paired_files import Pair, filled, pair_files, texts_of_stars
from hiseg_ros.errors import DatasetError


def split_rule(root: Path, layout: Layout, split: str) -> SplitRule:
    """Return which images a split has.

    Raises:
        DatasetError: There is no such split.
    """
    if split not in layout.splits:
        raise DatasetError(
            f'The split of {root} is {split!r}; expected one of {list(layout.splits)} of '
            f'{layout.title}.'
        )
    return layout.splits[split]


def find_place(root: Path, layout: Layout, split: str) -> Place:
    """Return the place of a layout that the folder has, {split} filled in.

    Raises:
        DatasetError: There is none, or one of its halves, images or labels, is missing.
    """
    folder = split_rule(root, layout, split).folder
    places = [_of_split(place, folder) for place in layout.places]
    halves = [(_has(root, place.images[0]), _has(root, place.labels)) for place in places]
    for place, (has_images, has_labels) in zip(places, halves, strict=True):
        if has_images and has_labels:
            return place
    for place, (has_images, has_labels) in zip(places, halves, strict=True):
        if has_images or has_labels:
            missing, there = place.labels, place.images[0]
            if has_labels:
                missing, there = there, missing
            raise DatasetError(
                f'{root / _parent(missing)} does not exist, but {root / _parent(there)} does; '
                f'expected both halves of {layout.title}, {place.images[0]} and {place.labels}: '
                f'{layout.hint}.'
            )
    patterns = ', or '.join(f'{place.images[0]} and {place.labels}' for place in places)
    found = sorted(path.name for path in root.iterdir())[:10] if root.is_dir() else 'nothing'
    raise DatasetError(
        f'{root} holds {found}; expected {layout.title} with {patterns}: name its folder.'
    )


def find_pairs(root: Path, layout: Layout, place: Place, split: str) -> list[Pair]:
    """Return the images of a split with their label files, sorted by path.

    Raises:
        DatasetError: A file lacks its partner, a list or the number of an image is missing, or
            there is no image.
    """
    if place.names:
        pairs = _listed(root, layout, place)
    else:
        pairs = pair_files(
            root,
            place.images[0],
            place.labels,
            layout.title,
            more_images=place.images[1:],
            stars=layout.stars,
        )
    rule = split_rule(root, layout, split)
    return [
        pair
        for pair in pairs
        if _is_in(root, pair, rule)
        and not (
            pair.stars[-1] in layout.unequal and image_size(pair.image) != image_size(pair.labels)
        )
    ]


def begins(pair: Pair, starts: tuple[str, ...]) -> bool:
    """Return whether the text of one of an image's stars begins with one of these."""
    return any(text.startswith(starts) for text in pair.stars)


def check_label_list(path: Path, labels: DatasetLabels, layout: Layout) -> None:
    """Check that a list of labels in the folder is that of the mapping, in the same order.

    Raises:
        DatasetError: The file is missing, has no list of labels, or has other labels.
    """
    try:
        found = [str(label['name']) for label in json.loads(path.read_text('utf-8'))['labels']]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise DatasetError(
            f'{path} is missing or has no list of labels ({problem!r}); expected that of '
            f'{layout.title}: {layout.hint}.'
        ) from problem
    for label in labels.labels:
        there = found[label.label_id] if label.label_id < len(found) else 'no label'
        if there != label.published_as:
            raise DatasetError(
                f'{path} has {there!r} at place {label.label_id} of {len(found)}; expected '
                f'{label.published_as!r} as in {layout.title}: {layout.hint}.'
            )
    if len(found) != len(labels.known_ids):
        raise DatasetError(
            f'{path} has {len(found)} labels; expected {len(labels.known_ids)} as in '
            f'{layout.title}: {layout.hint}.'
        )


def drawn_paths(layout: Layout, split: str, number: int) -> tuple[str, str, str]:
    """Return where a drawn scene goes in a layout: its image, its labels, and its last star.

    Args:
        layout: A layout with drawn files; its first place is used.
        split: One of its splits.
        number: Number of the scene.
    """
    assert layout.drawn is not None
    folder = layout.splits[split].folder
    place = _of_split(layout.places[0], folder)
    image = layout.drawn.image[split].replace('{split}', folder).format(number=number)
    for pattern in place.images:
        stars = texts_of_stars(pattern, image)
        if stars:
            return image, filled(place.labels, stars), stars[-1]
    raise ValueError(f'{image} matches none of {place.images}')


def names_file(layout: Layout, split: str) -> str:
    """Return the file that lists the images of a split, empty where there is none."""
    return _of_split(layout.places[0], layout.splits[split].folder).names


def _of_split(place: Place, folder: str) -> Place:
    def put(pattern: str) -> str:
        return pattern.replace('{split}', folder)

    return Place(
        tuple(map(put, place.images)),
        put(place.labels),
        put(place.names),
        put(place.segments),
        put(place.label_list),
    )


def _parent(pattern: str) -> str:
    """Return the folder of a pattern's files, as far as it has no star."""
    return pattern.split('*')[0].rpartition('/')[0]


def _has(root: Path, pattern: str) -> bool:
    """Return whether the folder of a pattern's files exists."""
    parent = pattern.rpartition('/')[0]
    return next(root.glob(parent), None) is not None if parent else root.is_dir()


def _listed(root: Path, layout: Layout, place: Place) -> list[Pair]:
    """Return the pairs that the file of names lists."""
    listing = root / place.names
    try:
        names = listing.read_text('utf-8').split()
    except (OSError, ValueError) as problem:
        raise DatasetError(
            f'{listing} is missing or no list of names ({problem}); expected the names of the '
            f'images of this split of {layout.title}: {layout.hint}.'
        ) from problem
    pairs = [
        Pair(
            name,
            root / filled(place.images[0], [name]),
            root / filled(place.labels, [name]),
            (name,),
        )
        for name in sorted(names)
    ]
    missing = next(
        (path for pair in pairs for path in (pair.image, pair.labels) if not path.is_file()), None
    )
    if missing is not None:
        raise DatasetError(
            f'{missing} is missing, which {listing} lists; expected all {2 * len(pairs)} files: '
            f'complete {layout.title}.'
        )
    return pairs


def _is_in(root: Path, pair: Pair, rule: SplitRule) -> bool:
    if rule.only or rule.but:
        path = pair.image.relative_to(root).as_posix()
        if rule.only and not any(fnmatchcase(path, pattern) for pattern in rule.only):
            return False
        if any(fnmatchcase(path, pattern) for pattern in rule.but):
            return False
    if not rule.every and not rule.but_every:
        return True
    number = re.search(r'\d+', pair.stars[-1])
    if number is None:
        raise DatasetError(
            f'{pair.image} has no number in its name; expected one, which decides the split it '
            'belongs to: rename it.'
        )
    value = int(number[0])
    if rule.every and value % rule.every:
        return False
    return not rule.but_every or value % rule.but_every != 0
