# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of a mining: every chosen frame with its labels, where the network doubts, and why."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.mining.doubt import TreeDoubt
from hiseg_ros.mining.labels import LabelSet
from hiseg_ros.mining.mine import Request, Result, WrittenFrame
from hiseg_ros.mining.project import PAGE
from hiseg_ros.mining.selection import Pick
from hiseg_ros.output_files import output_file
from hiseg_ros.types import UNLABELED, RgbImage

TEMPLATE = Path(__file__).with_name('page.html.j2')

WIDTH = 280
"""Width of the pictures in pixels."""

JPEG_QUALITY = 75

STRONG = 0.8
"""Rank from which a reason is named."""

TEXTS = {
    'uncertainty': 'the network is unsure',
    'flicker': 'labels flicker where the scene is steady',
    'rare': 'rare labels',
}


@dataclass(frozen=True)
class Pictures:
    """Small pictures of a frame as data of an <img>."""

    labels: str
    """The image with its labels."""
    doubt: str
    """The image, bright where the network is unsure."""


class PageWriter:
    """Collects pictures frame by frame, then writes mining.html."""

    def __init__(self, request: Request) -> None:
        """Begin without pictures."""
        self._request = request
        self._doubt = TreeDoubt(request.taxonomy)
        self._pictures: dict[int, Pictures] = {}

    def add(self, frame: WrittenFrame) -> None:
        """Keep the pictures of a frame."""
        height = max(1, round(frame.rgb.shape[0] * WIDTH / frame.rgb.shape[1]))
        size = (WIDTH, height)
        small = np.asarray(cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        ids = cv2.resize(frame.label_ids, size, interpolation=cv2.INTER_NEAREST)
        doubt = self._doubt(frame.probabilities.values)
        self._pictures[frame.number] = Pictures(
            _data(_with_labels(small, np.asarray(ids, np.uint8), self._request.labels)),
            _data(_with_heat(small, doubt)),
        )

    def write(self, result: Result, folder: Path, model: str) -> Path:
        """Write the page and return its path.

        Raises:
            ConfigError: It cannot be written.
        """
        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        page = environment.from_string(TEMPLATE.read_text('utf-8')).render(
            request=self._request,
            model=model,
            result=result,
            pictures=self._pictures,
            reasons=[reason_of(pick, self._request.labels) for pick in result.picks],
            means=result.means(),
            shares=result.label_shares(self._request.labels),
        )
        path = folder / PAGE
        try:
            output_file(path).write_text(page, 'utf-8')
        except OSError as problem:
            raise ConfigError(
                f'The page {path} cannot be written ({problem}); expected room for it.'
            ) from problem
        return path


def reason_of(pick: Pick, labels: LabelSet) -> str:
    """Return in words why a frame was chosen."""
    found = []
    for name, rank in sorted(pick.ranks.items(), key=lambda item: -item[1]):
        if rank < STRONG:
            continue
        text = f'{TEXTS[name]} (above {100 * rank:.0f} % of the pool)'
        if name == 'rare' and pick.rare_labels:
            rows = [
                f'{labels.label_of_id[label_id].name} {times:.1f} times its mean share'
                for label_id, times in pick.rare_labels
            ]
            text += f': {", ".join(rows)}'
        found.append(text)
    if pick.nearest is None:
        found.append('the first')
    elif pick.distance > 0.5:
        found.append(f'unlike the others (distance {pick.distance:.2f})')
    if pick.is_close_in_time:
        found.append('near in time to another, for want of frames farther apart')
    return '; '.join(found) or 'a little of everything'


def _with_labels(rgb: RgbImage, ids: NDArray[np.uint8], labels: LabelSet) -> RgbImage:
    image = cv2.addWeighted(rgb, 0.45, labels.palette[ids], 0.55, 0)
    image[ids == UNLABELED] = rgb[ids == UNLABELED]
    return np.asarray(image, np.uint8)


def _with_heat(rgb: RgbImage, doubt: NDArray[np.float32]) -> RgbImage:
    """Return the image in grey, with doubt from black to yellow over it."""
    height, width = rgb.shape[:2]
    scaled = cv2.resize(doubt, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = cv2.applyColorMap(
        (255 * scaled.clip(0, 0.5) * 2).astype(np.uint8), cv2.COLORMAP_INFERNO
    )
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(grey, 0.35, heat[..., ::-1], 0.85, 0), np.uint8)


def _data(rgb: RgbImage) -> str:
    _, data = cv2.imencode(
        '.jpg', np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return f'data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}'
