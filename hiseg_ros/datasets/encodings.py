# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Readers of label files, one for each encoding; a file in another encoding is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hiseg_ros.datasets.image_files import image_size, read_ids, read_label_ids
from hiseg_ros.datasets.layout import Encoding
from hiseg_ros.errors import DatasetError, ImageError
from hiseg_ros.images.header import check_claim, check_size
from hiseg_ros.types import ImageSize

Colours = tuple[tuple[tuple[int, int, int], int], ...]
"""Colour and label id of each colour."""

UNKNOWN = 254
"""In a table of colours: no label has the colour. Label ids end at 199."""

FARTHEST = 100_000
"""Largest coordinate of a polygon's corner in pixels."""

SHOWN = 3
"""Number of wrong values that an error names."""


class LabelReader(Protocol):
    """Reads the label files of one encoding."""

    def size(self, path: Path) -> ImageSize | None:
        """Return (height, width), or None where that costs as much as reading the file.

        Raises:
            DatasetError: The file is missing, cut off or none of its encoding.
        """

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Return (H, W) label ids.

        Raises:
            DatasetError: The file is missing, cut off or has another encoding.
        """


class PlainLabels:
    """One byte a pixel: the label id, or the index of a palette."""

    def size(self, path: Path) -> ImageSize | None:
        """See `LabelReader`."""
        return image_size(path)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        return read_label_ids(path)


class _ImageLabels:
    """What the encodings in image files share: size, and the sentence that refuses another."""

    expected: str
    """What the files hold, in words."""

    def __init__(self, hint: str) -> None:
        self._hint = hint

    def size(self, path: Path) -> ImageSize | None:
        """See `LabelReader`."""
        return image_size(path)

    def _check(self, path: Path, values: NDArray[Any], channels: int, dtype: type) -> None:
        found = values.shape[2] if values.ndim == 3 else 1
        if found != channels or values.dtype != dtype:
            plural = 'channels' if found > 1 else 'channel'
            raise DatasetError(
                f'{path} has {found} {plural} of type {values.dtype}; expected {self.expected}: '
                f'{self._hint}.'
            )


class ByteLabels(_ImageLabels):
    """One byte a pixel, with a hint that the layout gives."""

    expected = 'one channel of bytes, which are label ids'

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        values = read_ids(path)
        self._check(path, values, 1, np.uint8)
        return values


class PaletteLabels(ByteLabels):
    """The index of a palette is the label id; a grey file of the same indices is as good."""

    expected = 'a palette or one channel of bytes, whose values are label ids'


class Channel16Labels(_ImageLabels):
    """The first of three 16-bit channels is the label id."""

    expected = 'three channels of 16 bits, red the label id'

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        values = _read_deep(path)
        self._check(path, values, 3, np.uint16)
        red = values[..., 2]  # OpenCV has blue first
        if red.max(initial=0) > 255:
            raise DatasetError(
                f'{path} has the value {red.max()} in red; expected a label id below 256 there, '
                f'the instance is in green: {self._hint}.'
            )
        return red.astype(np.uint8)


class ColourLabels(_ImageLabels):
    """Exact colours; the nearest one would hide an error."""

    expected = 'three channels of bytes, the colours of the classes'

    def __init__(self, hint: str, colours: Mapping[int, tuple[tuple[int, int, int], ...]]) -> None:
        """Take the colours.

        Args:
            hint: Which files to take, for error messages.
            colours: (red, green, blue) by label id.
        """
        super().__init__(hint)
        self._colours: Colours = tuple(
            (colour, label_id) for label_id, several in colours.items() for colour in several
        )

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        values = read_ids(path)
        if values.ndim == 3 and values.shape[2] == 4:
            values = values[..., :3]  # A2D2 and others also ship them with an alpha channel.
        self._check(path, values, 3, np.uint8)
        label_ids = _colour_table(self._colours)[_codes(values)]
        wrong = label_ids == UNKNOWN
        if wrong.any():
            colours, counts = np.unique(values[wrong], axis=0, return_counts=True)
            named = ', '.join(
                '#{:02x}{:02x}{:02x}'.format(*colours[place])
                for place in np.argsort(-counts)[:SHOWN]
            )
            raise DatasetError(
                f'{path} has {len(colours)} colours of no class in {int(wrong.sum())} pixels '
                f'({named}); expected exact colours: {self._hint}.'
            )
        return label_ids


class PanopticLabels(_ImageLabels):
    """Segments, whose categories a JSON file lists."""

    expected = 'three channels of bytes, red + 256 green + 65536 blue the segment'

    def __init__(self, hint: str, segments: Path, void: int) -> None:
        """Read the list of segments.

        Args:
            hint: Which files to take, for error messages.
            segments: JSON file in the format of COCO panoptic.
            void: Label id of pixels in no segment.

        Raises:
            DatasetError: The list is missing or has another format.
        """
        super().__init__(hint)
        self._list, self._void = segments, void
        self._categories = _checked_json(segments, 'list of segments', _categories_of_files)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        values = read_ids(path)
        self._check(path, values, 3, np.uint8)
        if path.name not in self._categories:
            raise DatasetError(
                f'{self._list} does not list {path.name}; expected its segments: take both from '
                'the same release.'
            )
        category_of_segment = {0: self._void, **self._categories[path.name]}
        segments, places = np.unique(_codes(values), return_inverse=True)
        unknown = [int(one) for one in segments if int(one) not in category_of_segment]
        if unknown:
            raise DatasetError(
                f'{path} has {len(unknown)} segments that {self._list} does not list '
                f'({unknown[:SHOWN]}); expected those of the list: {self._hint}.'
            )
        label_ids = np.array([category_of_segment[int(one)] for one in segments], np.uint8)
        return label_ids[places].reshape(values.shape[:2])


class PolygonLabels:
    """Named polygons, each drawn over those before it, as the publishers' tools draw them."""

    def __init__(self, hint: str, id_of_name: Mapping[str, int], void: int) -> None:
        """Take the names.

        Args:
            hint: Which files to take, for error messages.
            id_of_name: Label ids by the names in the files.
            void: Label id of pixels in no polygon.
        """
        self._hint, self._id_of_name, self._void = hint, dict(id_of_name), void

    def size(self, path: Path) -> ImageSize | None:
        """See `LabelReader`; the size is in the middle of a long text."""
        if not path.is_file():
            raise DatasetError(f'{path} is missing; expected a file of polygons: {self._hint}.')
        return None

    def read(self, path: Path) -> NDArray[np.uint8]:
        """See `LabelReader`."""
        (height, width), objects = _checked_json(path, 'file of polygons', _polygons)
        try:
            check_size(height, width, f'{path}, a file of polygons,')
        except ImageError as problem:
            raise DatasetError(str(problem)) from problem
        polygons = [(self._id(path, name), corners) for name, corners in objects]
        return draw_polygons((height, width), polygons, self._void)

    def _id(self, path: Path, name: str) -> int:
        # "cargroup" is cars that nobody could tell apart.
        for candidate in (name, name.removesuffix('group')):
            if candidate in self._id_of_name:
                return self._id_of_name[candidate]
        raise DatasetError(
            f'{path} has a polygon {name!r}; expected one of {sorted(self._id_of_name)}: '
            f'{self._hint}.'
        )


def draw_polygons(
    size: ImageSize, polygons: Sequence[tuple[int, Sequence[tuple[float, float]]]], void: int
) -> NDArray[np.uint8]:
    """Draw polygons, each over those before it.

    Args:
        size: (height, width) in pixels.
        polygons: Label id and corners, at least three, as (column, row) in pixels.
        void: Label id of pixels in no polygon.

    Returns:
        (H, W) label ids.
    """
    image = Image.new('L', (size[1], size[0]), void)
    drawing = ImageDraw.Draw(image)
    for label_id, corners in polygons:
        drawing.polygon(corners, fill=label_id)
    return np.array(image)


def label_reader(
    encoding: Encoding,
    hint: str,
    colours: Mapping[int, tuple[tuple[int, int, int], ...]] | None,
    segments: Path | None,
    id_of_name: Mapping[str, int],
    void: int,
) -> LabelReader:
    """Return the reader of an encoding.

    Args:
        encoding: The encoding.
        hint: Which label files to take; ends the sentences that refuse others.
        colours: For colours: (red, green, blue) by label id.
        segments: For panoptic labels: the JSON file of the segments.
        id_of_name: For polygons: label ids by name.
        void: Label id of pixels without a label.

    Raises:
        DatasetError: The file of the segments is missing or wrong.
    """
    readers: dict[Encoding, Callable[[], LabelReader]] = {
        Encoding.BYTES: lambda: ByteLabels(hint),
        Encoding.PALETTE: lambda: PaletteLabels(hint),
        Encoding.CHANNEL16: lambda: Channel16Labels(hint),
        Encoding.COLOURS: lambda: ColourLabels(hint, colours or {}),
        Encoding.PANOPTIC: lambda: PanopticLabels(hint, segments or Path(), void),
        Encoding.POLYGONS: lambda: PolygonLabels(hint, id_of_name, void),
    }
    return readers[encoding]()


def _codes(values: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return red + 256 green + 65536 blue of (H, W, 3) bytes."""
    wide = values.astype(np.uint32)
    return np.asarray(wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16, np.uint32)


@cache
def _colour_table(colours: Colours) -> NDArray[np.uint8]:
    """Return the table from code to label id; 16 MiB, outside the readers that are copied."""
    table = np.full(1 << 24, UNKNOWN, np.uint8)
    for (red, green, blue), label_id in colours:
        table[red | green << 8 | blue << 16] = label_id
    return table


def _read_deep(path: Path) -> NDArray[Any]:
    """Read an image with its own depth: Pillow cuts three channels of 16 bits to 8."""
    image_size(path)  # refuses what is missing or no image
    data = path.read_bytes()
    try:
        check_claim(data)
    except ImageError as problem:
        raise DatasetError(f'{path} cannot be read: {problem}') from problem
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise DatasetError(f'{path} cannot be decoded; expected a whole PNG file: copy it again.')
    return np.asarray(values)


def _checked_json(path: Path, what: str, parse: Callable[[Any], Any]) -> Any:
    """Read and parse a JSON file.

    Raises:
        DatasetError: It is missing, no JSON, or not what was expected.
    """
    try:
        return parse(json.loads(path.read_text('utf-8')))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise DatasetError(
            f'{path} is missing or no {what} ({problem!r}); expected the file as downloaded: '
            'copy it again.'
        ) from problem


def _categories_of_files(data: Any) -> dict[str, dict[int, int]]:
    categories = {
        str(one['file_name']): {int(s['id']): int(s['category_id']) for s in one['segments_info']}
        for one in data['annotations']
    }
    if any(not 0 <= one < UNKNOWN for found in categories.values() for one in found.values()):
        raise ValueError('a category is no number from 0 to 253')
    return categories


def _polygons(data: Any) -> tuple[ImageSize, list[tuple[str, list[tuple[float, float]]]]]:
    size = int(data['imgHeight']), int(data['imgWidth'])
    polygons = [
        (str(one['label']), [(float(x), float(y)) for x, y in one['polygon']])
        for one in data['objects']
        if not one.get('deleted') and len(one['polygon']) >= 3
    ]
    # Corners may lie outside the image, but not anywhere: drawing takes time for each row.
    if not all(abs(x) < FARTHEST and abs(y) < FARTHEST for _, one in polygons for x, y in one):
        raise ValueError(f'a corner is {FARTHEST} pixels away or more')
    return size, polygons
