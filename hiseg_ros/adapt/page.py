# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of an adaptation: figures, and held-back images before and after."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from hiseg_ros.adapt.card import figure_rows
from hiseg_ros.adapt.checks import Answer, Check, HeldFrame
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import RgbImage
from hiseg_ros.visualization import draw_names, overlay, place_names, to_height

TEMPLATE = Path(__file__).with_name('page.html.j2')

MOST_CHANGED, SPREAD = 4, 4
"""Images on the page: those whose labels changed most, then others evenly spread in time."""

HEIGHT = 360
"""Rows of a picture."""

JPEG_QUALITY = 82

LEAST_SHARE = 0.002
"""Share of all pixels from which a class is in the table, before or after."""


@dataclass(frozen=True)
class PageContent:
    """What the page shows."""

    card: dict[str, Any]
    objections: tuple[str, ...]
    before: Check
    after: Check
    frames: Sequence[HeldFrame]
    old: Sequence[Answer]
    new: Sequence[Answer]
    taxonomy: Taxonomy


@dataclass(frozen=True)
class Row:
    """One image of the page."""

    name: str
    changed: float
    """Share of pixels with another label."""
    pictures: tuple[str, str, str]
    """The image, the labels before and after, as data of an <img>."""


def write_page(path: Path, content: PageContent) -> None:
    """Write the page.

    Raises:
        OSError: The file cannot be written.
    """
    changed = [
        float((old.labels != new.labels).mean())
        for old, new in zip(content.old, content.new, strict=True)
    ]
    most, spread = shown(changed)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text('utf-8')).render(
        card=content.card,
        facts=content.card['adaptation'],
        objections=content.objections,
        figures=figure_rows(content.before, content.after),
        source_images=content.before.source_images,
        parts=[
            ('The images whose labels changed most', [_row(content, n, changed) for n in most]),
            ('Others, evenly spread in time', [_row(content, n, changed) for n in spread]),
        ],
        classes=class_shares(content),
    )
    path.write_text(page, 'utf-8')


def shown(changed: Sequence[float]) -> tuple[list[int], list[int]]:
    """Return the images that changed most, and others that are evenly spread."""
    order = sorted(range(len(changed)), key=lambda place: (-changed[place], place))
    most = order[:MOST_CHANGED]
    rest = sorted(order[MOST_CHANGED:])
    count = min(SPREAD, len(rest))
    return most, [rest[(2 * place + 1) * len(rest) // (2 * count)] for place in range(count)]


def class_shares(content: PageContent) -> list[tuple[str, str, float, float]]:
    """Return (name, colour, share before, share after) of the classes on the images."""
    shares = [
        np.sum(
            [np.bincount(one.labels.ravel(), minlength=256) / one.labels.size for one in answers],
            axis=0,
        )
        / len(answers)
        for answers in (content.old, content.new)
    ]
    nodes = content.taxonomy.nodes
    found = [
        (
            node.name,
            _hex(node.color),
            float(shares[0][node.node_id]),
            float(shares[1][node.node_id]),
        )
        for node in nodes
        if max(shares[0][node.node_id], shares[1][node.node_id]) >= LEAST_SHARE
    ]
    return sorted(found, key=lambda row: -row[2])


def _row(content: PageContent, place: int, changed: Sequence[float]) -> Row:
    frame = content.frames[place]
    pictures = [_picture(to_height(frame.rgb, content.old[place].labels, HEIGHT)[0])]
    for answer in (content.old[place], content.new[place]):
        rgb, labels = to_height(frame.rgb, answer.labels, HEIGHT)
        painted = overlay(rgb, labels, content.taxonomy)
        names = place_names(labels, content.taxonomy)
        pictures.append(_picture(draw_names(painted, names, content.taxonomy)))
    return Row(frame.name, changed[place], (pictures[0], pictures[1], pictures[2]))


def _picture(rgb: RgbImage) -> str:
    _, data = cv2.imencode(
        '.jpg', np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return f'data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}'


def _hex(color: Sequence[int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*color)
