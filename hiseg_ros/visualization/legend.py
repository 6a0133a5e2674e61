# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Legends: a panel or strip with the colours, names and shares of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hiseg_ros.errors import ImageError, TaxonomyError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import LabelImage, RgbImage
from hiseg_ros.visualization.colorize import check_labels

MIN_SHARE = 0.0005
"""Nodes on a smaller share of the image are left out of its legend."""
MIN_HEIGHT = 720
"""Images with a legend are scaled up to this height, so that text beside them is legible."""

_ROW, _MARGIN, _INDENT, _GAP = 24, 12, 18, 10
_SWATCH = (16, 26)
_BACKGROUND, _TEXT, _FAINT = (255, 255, 255), (24, 24, 24), (110, 110, 110)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.48


@dataclass(frozen=True)
class Row:
    """One line of a legend."""

    node_id: int
    indent: int
    """Number of lines above that are ancestors of the node."""
    share: float | None
    """Share of the image below this node, in [0, 1], if known."""
    is_group: bool
    """Whether the line only groups the nodes below it."""


def legend(
    taxonomy: Taxonomy,
    node_ids: Sequence[int],
    *,
    shares: Mapping[int, float] | None = None,
    min_height: int = 0,
    max_height: int | None = None,
) -> RgbImage:
    """Draw a legend.

    The nodes are listed in the order of the tree, indented below each ancestor that several of
    them share; an ancestor that is not in the list has an empty swatch. With shares the larger
    branch comes first.

    Args:
        taxonomy: The tree.
        node_ids: The nodes to show.
        shares: By node id, share of the image in [0, 1]; printed as percent where given.
        min_height: Least height of the panel in pixels.
        max_height: Largest height in pixels; a longer legend is continued in another column.

    Returns:
        (height, width, 3) uint8 RGB on white.

    Raises:
        TaxonomyError: A node id is not in the tree.
    """
    rows = legend_rows(taxonomy, node_ids, shares)
    longest = len(rows) if max_height is None else (max_height - 2 * _MARGIN) // _ROW
    longest = max(1, longest)
    height = max(min_height, 2 * _MARGIN + _ROW * min(longest, len(rows)))
    starts = range(0, len(rows), longest) or (0,)
    columns = [_draw_column(taxonomy, rows[start : start + longest], height) for start in starts]
    return np.concatenate(columns, axis=1)


def _draw_column(taxonomy: Taxonomy, rows: Sequence[Row], height: int) -> RgbImage:
    names = [taxonomy.nodes[row.node_id].name for row in rows]
    percents = ['' if row.share is None else _percent(row.share) for row in rows]
    text_width = max(
        (row.indent * _INDENT + _width(name) for row, name in zip(rows, names, strict=True)),
        default=0,
    )
    percent_width = max(map(_width, percents), default=0)
    width = 2 * _MARGIN + _SWATCH[1] + 2 * _GAP + text_width + percent_width
    panel = np.full((height, width, 3), _BACKGROUND, np.uint8)
    for index, (row, name, percent) in enumerate(zip(rows, names, percents, strict=True)):
        top = _MARGIN + _ROW * index + (_ROW - _SWATCH[0]) // 2
        left = _MARGIN + row.indent * _INDENT
        color = taxonomy.nodes[row.node_id].color
        if row.is_group:
            corners = (left, top), (left + _SWATCH[1] - 1, top + _SWATCH[0] - 1)
            cv2.rectangle(panel, *corners, color, 2)
        else:
            _draw_swatch(panel, left, top, color)
        text_color = _FAINT if row.is_group else _TEXT
        baseline = top + _SWATCH[0] - 4
        _write(panel, name, left + _SWATCH[1] + _GAP, baseline, text_color)
        _write(panel, percent, width - _MARGIN - _width(percent), baseline, text_color)
    return panel


def legend_rows(
    taxonomy: Taxonomy, node_ids: Sequence[int], shares: Mapping[int, float] | None = None
) -> tuple[Row, ...]:
    """Return the lines of a legend from top to bottom (see `legend`).

    Raises:
        TaxonomyError: A node id is not in the tree.
    """
    present = set(node_ids)
    _check_ids(taxonomy, present)
    total = np.zeros(len(taxonomy))
    for node_id in present:
        total[list(taxonomy.path(node_id))] += (shares or {}).get(node_id, 0.0)
    rows: list[Row] = []

    def add(node_id: int, indent: int) -> bool:
        """Append the rows of a branch; return whether there are any."""
        start = len(rows)
        children = sorted(taxonomy.children(node_id), key=lambda child: -total[child])
        own = node_id in present
        branches = sum(add(child, indent) for child in children)
        if own or (branches > 1 and node_id != 0):
            below = [
                Row(row.node_id, row.indent + 1, row.share, row.is_group) for row in rows[start:]
            ]
            share = None if shares is None else float(total[node_id])
            rows[start:] = [Row(node_id, indent, share, not own), *below]
        return len(rows) > start

    add(0, 0)
    return tuple(rows)


def present_shares(labels: LabelImage, taxonomy: Taxonomy) -> dict[int, float]:
    """Return the share of the image in [0, 1] by node id; nodes below 0.05 % are left out.

    Raises:
        ImageError: The labels are no label image.
    """
    check_labels(labels)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(taxonomy)]
    return {
        int(node_id): float(counts[node_id] / labels.size)
        for node_id in np.flatnonzero(counts)
        if counts[node_id] >= MIN_SHARE * labels.size
    }


def with_legend(
    image: RgbImage, labels: LabelImage, taxonomy: Taxonomy, *, min_height: int = MIN_HEIGHT
) -> RgbImage:
    """Put the legend of the nodes that are present beside an image.

    Args:
        image: (H, W, 3) uint8 RGB, such as an overlay; scaled up where it is lower than
            `min_height`.
        labels: (H, W) uint8 node ids of the image; nodes on less than 0.05 % are left out.
        taxonomy: The tree.
        min_height: Least height of the result in pixels.

    Returns:
        (height, width, 3) uint8 RGB: image left, legend right.

    Raises:
        ImageError: The image is not uint8 RGB or the labels are no label image.
    """
    check_labels(labels)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f'The image has shape {image.shape} and type {image.dtype}; expected (H, W, 3) '
            'uint8 with at least one pixel.'
        )
    shares = present_shares(labels, taxonomy)
    height, width = image.shape[:2]
    common = max(height, min_height, 2 * _MARGIN + _ROW)
    panel = legend(taxonomy, tuple(shares), shares=shares, min_height=common, max_height=common)
    if common > height:
        size = (max(1, round(width * common / height)), common)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.concatenate([image, panel], axis=1)


def legend_strip(
    taxonomy: Taxonomy, node_ids: Sequence[int], width: int, *, max_rows: int = 2
) -> RgbImage:
    """Draw swatches and names side by side, for below an image.

    Args:
        taxonomy: The tree.
        node_ids: The nodes, the most important first; those that do not fit are left out.
        width: Of the strip in pixels.
        max_rows: Largest number of rows.

    Returns:
        (height, width, 3) uint8 RGB on white; as many rows as it takes.

    Raises:
        TaxonomyError: A node id is not in the tree.
    """
    _check_ids(taxonomy, node_ids)
    places: list[tuple[int, int, int]] = []
    left, row = _MARGIN, 0
    for node_id in node_ids:
        needed = _SWATCH[1] + _GAP + _width(taxonomy.nodes[node_id].name)
        if left + needed > width - _MARGIN and left > _MARGIN:
            left, row = _MARGIN, row + 1
        if row == max_rows:
            break
        places.append((node_id, left, row))
        left += needed + 2 * _GAP
    rows = places[-1][2] + 1 if places else 1
    panel = np.full((_MARGIN + _ROW * rows, width, 3), _BACKGROUND, np.uint8)
    for node_id, left, row in places:
        top = _MARGIN // 2 + _ROW * row + (_ROW - _SWATCH[0]) // 2
        node = taxonomy.nodes[node_id]
        _draw_swatch(panel, left, top, node.color)
        _write(panel, node.name, left + _SWATCH[1] + _GAP, top + _SWATCH[0] - 4, _TEXT)
    return panel


def _check_ids(taxonomy: Taxonomy, node_ids: Sequence[int] | set[int]) -> None:
    foreign = sorted(node_id for node_id in node_ids if not 0 <= node_id < len(taxonomy))
    if foreign:
        raise TaxonomyError(
            f'The legend is asked for the nodes {foreign}; expected ids of taxonomy '
            f'{taxonomy.name!r}, 0 to {len(taxonomy) - 1}.'
        )


def _draw_swatch(panel: RgbImage, left: int, top: int, color: tuple[int, int, int]) -> None:
    corners = (left, top), (left + _SWATCH[1] - 1, top + _SWATCH[0] - 1)
    cv2.rectangle(panel, *corners, color, cv2.FILLED)
    cv2.rectangle(panel, *corners, _FAINT, 1)


def _percent(share: float) -> str:
    return f'{100 * share:.1f} %' if share >= 0.001 else f'{100 * share:.2f} %'


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]) + 2 if text else 0


def _write(panel: RgbImage, text: str, x: int, y: int, color: tuple[int, int, int]) -> None:
    cv2.putText(panel, text, (x, y), _FONT, _FONT_SCALE, color, 1, cv2.LINE_AA)
