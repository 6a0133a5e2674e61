# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of a retrieval: each query with the images that were found, framed by their source."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import jinja2
import numpy as np

from hiseg_ros.errors import ConfigError
from hiseg_ros.retrieval.retrieve import Request, Result
from hiseg_ros.retrieval.sources import Source
from hiseg_ros.types import RgbImage

TEMPLATE = Path(__file__).with_name('page.html.j2')
FILE_NAME = 'retrieval.html'

WIDTH = 320
"""Width of the pictures in pixels."""

JPEG_QUALITY = 80

COLOURS = ('#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#bbbbbb')
"""Frame of each source, in turn; Paul Tol's bright colours, apart for every kind of vision."""


def write_page(folder: Path, request: Request, results: Sequence[Result]) -> Path:
    """Write the page to a folder, which is made, and return the file's path.

    Args:
        folder: Target folder.
        request: What was searched.
        results: One for each network, of the same queries.

    Raises:
        BagError: A bag is damaged.
        ConfigError: The folder or the file cannot be written.
    """
    wanted: dict[int, set[int]] = defaultdict(set)
    for result in results:
        for found in result.found:
            for match in found.matches:
                wanted[match.source].add(match.number)
    pictures = {
        (place, number): data
        for place, numbers in wanted.items()
        for number, data in _pictures(request.sources[place], numbers).items()
    }
    asked = {found.number for result in results for found in result.found}
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text('utf-8')).render(
        request=request,
        results=results,
        queries=_pictures(request.query, asked),
        pictures=pictures,
        colours=[COLOURS[place % len(COLOURS)] for place in range(len(request.sources))],
    )
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page, 'utf-8')
    except OSError as problem:
        raise ConfigError(
            f'The page {path} cannot be written ({problem}); expected a folder with the right to '
            'write.'
        ) from problem
    return path


def _pictures(source: Source, numbers: set[int]) -> dict[int, str]:
    """Return small pictures as data of an <img>, by number in the source."""
    return {
        frame.number: _picture(frame.rgb)
        for frame in source.frames(min(numbers), numbers)
        if frame.rgb is not None
    }


def _picture(rgb: RgbImage) -> str:
    height = max(1, round(rgb.shape[0] * WIDTH / rgb.shape[1]))
    small = cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(
        '.jpg', np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return f'data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}'
