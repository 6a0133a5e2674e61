# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Layouts of published datasets as data: where images and labels are, and how labels are encoded.

A layout is a YAML file in config/layouts; docs/datasets.md describes its keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from reprlib import repr as short_repr
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import named_or_path
from hiseg_ros.types import ImageSize
from hiseg_ros.yaml_file import read_yaml

_COLOUR = re.compile(r'#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})')


class Encoding(Enum):
    """How a label file holds the label id of a pixel."""

    BYTES = 'bytes'
    """One byte is the id."""
    PALETTE = 'palette'
    """The index of a palette is the id; the colours are for the eye."""
    CHANNEL16 = 'channel16'
    """The first of three 16-bit channels is the id, the second the instance."""
    COLOURS = 'colours'
    """Each id has one colour or several, of three bytes."""
    PANOPTIC = 'panoptic'
    """Red + 256 green + 65536 blue is a segment, whose id a JSON file lists."""
    POLYGONS = 'polygons'
    """A JSON file with named polygons, each drawn over those before it."""


class IdFamily(Enum):
    """Which of the two numberings of the Cityscapes classes label files have."""

    NONE = ''
    LABEL_IDS = 'label_ids'
    TRAIN_IDS = 'train_ids'


@dataclass(frozen=True)
class Place:
    """Where the files of a dataset are, as patterns of paths below its folder.

    {split} stands for the folder of the split; each * for any text but a slash.
    """

    images: tuple[str, ...]
    labels: str
    names: str = ''
    """File that lists the images of the split by the text of their last star; empty: all."""
    segments: str = ''
    """JSON file of the segments, for panoptic labels."""
    label_list: str = ''
    """JSON file whose list of labels must be the published names of the mapping, in order."""


@dataclass(frozen=True)
class SplitRule:
    """Which images a split has: all in its folder, or some of them."""

    folder: str = ''
    """Put for {split}."""
    every: int = 0
    """Only images whose number, the first digits of the last star, is a multiple; 0: all."""
    but_every: int = 0
    """Only those whose number is none; 0: all."""
    only: tuple[str, ...] = ()
    """Only images whose path below the folder matches one of these patterns."""
    but: tuple[str, ...] = ()
    """Only those whose path matches none."""


@dataclass(frozen=True)
class DrawnFiles:
    """How `hiseg synthesize` names drawn scenes in this layout."""

    seed: int
    """Part of the seed of every scene; no two formats share one."""
    image: Mapping[str, str]
    """Path of an image below the folder by split, with {number} or {number:05d}."""


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on a disk."""

    name: str
    title: str
    """The dataset in words, for error messages."""
    mapping: str
    """Name in config/mappings, or path of a YAML file."""
    encoding: Encoding
    places: tuple[Place, ...]
    """The first that exists is read: releases differ in their folders."""
    splits: Mapping[str, SplitRule]
    hint: str
    """Which label files to take; ends the sentence that refuses others."""
    stars: str = ''
    """Regular expression of the text of the last star; files with another text are left alone."""
    unequal: tuple[str, ...] = ()
    """Texts of the last star of pairs that are published with different sizes: they are left out
    where they are; any other such pair is an error."""
    size: ImageSize | None = None
    """(height, width) of the published images, None where they differ."""
    ids: IdFamily = IdFamily.NONE
    void: int = 255
    """Label id of pixels without a label."""
    colours: Mapping[int, tuple[tuple[int, int, int], ...]] | None = None
    """(red, green, blue) by label id, for the encoding of colours."""
    void_names: Mapping[str, int] = field(default_factory=dict)
    """For polygons: ids of the names that say nothing and are therefore not in the mapping."""
    drawn: DrawnFiles | None = None


def read_layout(name_or_path: str) -> Layout:
    """Read a layout by name (config/layouts/<name>.yaml) or from a file.

    Raises:
        ConfigError: The file is missing, or a key or a value is wrong.
    """
    path = named_or_path(name_or_path, 'layouts')
    data = read_yaml(path, 'Layout', ConfigError)
    layout = _Keys(data, f'Layout {path}')
    encoding = layout.one_of('encoding', Encoding)
    places = layout.list_of('places')
    splits = layout.keys('splits')
    if not places or not splits.data:
        raise ConfigError(f'{layout.where} has no places or no splits; expected at least one.')
    colours = _colours(layout) if encoding is Encoding.COLOURS else None
    drawn = layout.keys('drawing') if 'drawing' in data else None
    found = Layout(
        name=layout.text('name'),
        title=layout.text('title'),
        mapping=layout.text('mapping'),
        encoding=encoding,
        places=tuple(_place(place, encoding) for place in places),
        splits={name: _split(splits.keys(name)) for name in splits.data},
        hint=layout.text('hint'),
        stars=_expression(layout),
        unequal=layout.texts('unequal'),
        size=_size(layout),
        ids=layout.one_of('ids', IdFamily, IdFamily.NONE),
        void=layout.number('void', 255),
        colours=colours,
        void_names=_void_names(layout),
        drawn=_drawn(drawn, splits.data) if drawn else None,
    )
    layout.check_all_read()
    return found


class _Keys:
    """The keys of a part of a layout file; whoever reads one wrong says so in a sentence."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict) or not all(isinstance(key, str | int) for key in data):
            raise ConfigError(f'{where} is {short_repr(data)}; expected keys and values.')
        self.data, self.where, self._read = data, where, set[Any]()

    def _get(self, key: str, what: str, kind: type, default: Any) -> Any:
        self._read.add(key)
        value = self.data.get(key, default)
        # A bool is an int to isinstance.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f'{self.where} has {key}: {short_repr(value)}; expected {what}.')
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        return str(self._get(key, 'a text', str, default))

    def number(self, key: str, default: int | None = None) -> int:
        """Return a number from 0 to 255."""
        value = self._get(key, 'a number from 0 to 255', int, default)
        if not 0 <= value <= 255:
            raise ConfigError(f'{self.where} has {key}: {value}; expected a number from 0 to 255.')
        return int(value)

    def list_of(self, key: str) -> list[_Keys]:
        """Return the items of a list of keys and values."""
        items = self._get(key, 'a list', list, None)
        return [_Keys(item, f'{key} in {self.where}') for item in items]

    def keys(self, key: str) -> _Keys:
        """Return the part of the file below a key."""
        self._read.add(key)
        return _Keys(self.data.get(key), f'{key} in {self.where}')

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; a single text is one, and a missing key an empty list."""
        self._read.add(key)
        value = self.data.get(key, [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigError(
                f'{self.where} has {key}: {short_repr(value)}; expected a text or a list of texts.'
            )
        return tuple(items)

    def one_of(self, key: str, choices: Any, default: Any = None) -> Any:
        """Return the member of an enumeration with this value."""
        self._read.add(key)
        if key not in self.data and default is not None:
            return default
        value = self.data.get(key)
        values = [choice.value for choice in choices if choice.value]
        if value not in values:
            raise ConfigError(
                f'{self.where} has {key}: {short_repr(value)}; expected one of {values}.'
            )
        return choices(value)

    def check_all_read(self) -> None:
        """Refuse keys that nothing has read."""
        unknown = sorted(map(str, set(self.data) - self._read))
        if unknown:
            raise ConfigError(
                f'{self.where} has the unknown keys {unknown}; expected some of '
                f'{sorted(self._read)}.'
            )


def _place(keys: _Keys, encoding: Encoding) -> Place:
    place = Place(
        keys.texts('images'),
        keys.text('labels'),
        keys.text('names', ''),
        keys.text('segments', ''),
        keys.text('label_list', ''),
    )
    keys.check_all_read()
    if not place.images or any(
        pattern.count('*') != place.labels.count('*') or '**' in pattern or '*' not in pattern
        for pattern in place.images
    ):
        raise ConfigError(
            f'{keys.where} has the images {list(place.images)} and labels {place.labels!r}; '
            'expected as many * in both, at least one, each for the same text.'
        )
    if (encoding is Encoding.PANOPTIC) != bool(place.segments):
        raise ConfigError(
            f'{keys.where} has segments: {place.segments!r}; expected a JSON file for panoptic '
            'labels, and only for them.'
        )
    return place


def _split(keys: _Keys) -> SplitRule:
    rule = SplitRule(
        keys.text('folder', ''),
        keys.number('every', 0),
        keys.number('but_every', 0),
        keys.texts('only'),
        keys.texts('but'),
    )
    keys.check_all_read()
    return rule


def _expression(layout: _Keys) -> str:
    text = layout.text('stars', '')
    try:
        re.compile(text)
    except re.error as problem:
        raise ConfigError(
            f'{layout.where} has stars: {text!r} ({problem}); expected a regular expression.'
        ) from problem
    return text


def _size(layout: _Keys) -> ImageSize | None:
    if 'size' not in layout.data:
        return None
    value = layout._get('size', 'height and width', list, None)
    if len(value) != 2 or not all(type(side) is int and side > 0 for side in value):
        raise ConfigError(f'{layout.where} has size: {value}; expected height and width.')
    return value[0], value[1]


def _colours(layout: _Keys) -> dict[int, tuple[tuple[int, int, int], ...]]:
    keys, found = layout.keys('colours'), {}
    for label_id in keys.data:
        if type(label_id) is not int or not 0 <= label_id <= 255:
            raise ConfigError(
                f'{keys.where} has the label id {label_id!r}; expected a number from 0 to 255.'
            )
        matches = [_COLOUR.fullmatch(text) for text in keys.texts(label_id)]  # type: ignore[arg-type]
        if not matches or None in matches:
            raise ConfigError(
                f'{keys.where} has {label_id}: {short_repr(keys.data[label_id])}; expected '
                "colours like '#ff0000'."
            )
        found[label_id] = tuple(
            (int(match[1], 16), int(match[2], 16), int(match[3], 16)) for match in matches if match
        )
    every = [colour for colours in found.values() for colour in colours]
    if len(set(every)) < len(every):
        raise ConfigError(f'{keys.where} has a colour twice; expected each for one label.')
    return found


def _void_names(layout: _Keys) -> dict[str, int]:
    if 'void_names' not in layout.data:
        return {}
    keys = layout.keys('void_names')
    return {str(name): keys.number(name) for name in keys.data}


def _drawn(keys: _Keys, splits: Mapping[str, object]) -> DrawnFiles:
    images = keys.keys('image') if isinstance(keys.data.get('image'), dict) else None
    image = (
        {split: images.text(split) for split in splits}
        if images
        else dict.fromkeys(splits, keys.text('image'))
    )
    drawn = DrawnFiles(keys.number('seed'), image)
    keys.check_all_read()
    return drawn
