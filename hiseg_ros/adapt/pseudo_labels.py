# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels: at each pixel a leaf of the tree, drawn from what a teacher believes of it.

The teacher is the old network over several views of an image: smaller, its own size, larger, and
mirrored, their leaf probabilities averaged. That is better than the network alone, which is what
there is to learn. Labels that are drawn say in the mean what the probabilities say. The likeliest
class everywhere would make a network surer than its teacher.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.model.checkpoint import Checkpoint
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED, ImageSize, LabelImage, RgbImage

MAPPING_NAME = 'tree_nodes'
"""Mapping whose label ids are the node ids of a tree."""

_ROWS = 64
"""Rows drawn at a time: all leaves of a whole image would take hundreds of megabytes."""


@dataclass(frozen=True)
class View:
    """How a teacher looks at an image."""

    scale: float
    """Factor on the size at which the network sees whole images."""
    is_mirrored: bool = False


VIEWS = (
    View(0.8, True),
    View(1.0),
    View(1.0, True),
    View(1.35),
    View(1.35, True),
    View(1.7),
)


class ViewTeacher:
    """A frozen network over several views of an image."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, bfloat16: bool) -> None:
        """Build the network.

        Args:
            checkpoint: Its weights.
            device: Where it runs.
            bfloat16: Whether its convolutions compute in bfloat16.
        """
        self._preprocessing = checkpoint.preprocessing
        self._leaf_ids = np.array(checkpoint.taxonomy.leaves, np.uint8)
        self._device, self._bfloat16 = device, bfloat16
        with device_faults(str(device)):
            self._network = checkpoint.build().to(device).eval()

    def label(self, rgb: RgbImage, views: Sequence[View] = VIEWS) -> LabelImage:
        """Return the pseudo labels of an image, the same ones whenever it is asked.

        Args:
            rgb: (H, W, 3) uint8.
            views: At least one.

        Returns:
            (H, W) uint8 node ids of leaves.

        Raises:
            DeviceError: The device has too little memory, or is gone.
        """
        with torch.inference_mode(), device_faults(str(self._device)):
            leaves = self.leaf_probabilities(rgb, views)
            seed = zlib.crc32(np.ascontiguousarray(rgb).data)
            return sampled(leaves[0], self._leaf_ids, (rgb.shape[0], rgb.shape[1]), seed)

    def leaf_probabilities(self, rgb: RgbImage, views: Sequence[View]) -> torch.Tensor:
        """Return (1, L, h, w) float32: the mean of the views, on the finest of their grids."""
        seen = min(self._preprocessing.input_size((rgb.shape[0], rgb.shape[1])))
        found = []
        for view in views:
            image = np.ascontiguousarray(rgb[:, ::-1]) if view.is_mirrored else rgb
            height = max(self._preprocessing.multiple, round(seen * view.scale))
            inputs = self._preprocessing.prepare(image, self._device, height)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
                leaves = self._network.head_output(inputs).leaf_probabilities.float()
            found.append(leaves.flip(3) if view.is_mirrored else leaves)
        size = max(tuple(one.shape[-2:]) for one in found)
        grids = [
            F.interpolate(one, size=size, mode='bilinear', align_corners=False) for one in found
        ]
        return torch.stack(grids).mean(0)


def sampled(
    leaves: torch.Tensor, leaf_ids: NDArray[np.uint8], size: ImageSize, seed: int
) -> LabelImage:
    """Return for each pixel a leaf that is drawn from its probabilities.

    Args:
        leaves: (L, h, w) leaf probabilities on a grid that covers the image.
        leaf_ids: (L,) node ids of the leaves.
        size: (H, W) of the image.
        seed: Of the draws.

    Returns:
        (H, W) uint8 node ids.
    """
    height, width = size
    rng = np.random.default_rng(seed)
    labels = np.empty(size, np.uint8)
    grid_rows = leaves.shape[1]
    columns = F.interpolate(leaves[None], size=(grid_rows, width), mode='bilinear')[0]
    for start in range(0, height, _ROWS):
        rows = torch.arange(start, min(start + _ROWS, height), device=leaves.device)
        place = ((rows + 0.5) * grid_rows / height - 0.5).clamp(0, grid_rows - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=grid_rows - 1)
        share = (place - low)[None, :, None]
        sums = (columns[:, low] * (1 - share) + columns[:, high] * share).cumsum(0)
        drawn = torch.from_numpy(rng.random((len(rows), width), np.float32)).to(leaves.device)
        # Times the sum, which is 1 but for rounding: a leaf without probability is never drawn.
        chosen = (sums[:-1] <= drawn * sums[-1]).sum(0)
        labels[start : start + _ROWS] = leaf_ids[chosen.cpu().numpy()]
    return labels


def write_mapping(path: Path, taxonomy: Taxonomy) -> None:
    """Write the mapping of pseudo labels: a label for each node but the root, with its id."""
    labels = [
        {'id': node.node_id, 'name': node.name, 'nodes': [node.name]}
        for node in taxonomy.nodes
        if node.parent is not None
    ]
    content = {
        'name': MAPPING_NAME,
        'description': 'The nodes of the tree, as pseudo labels have them.',
        'labels': labels,
        'unlabeled': [UNLABELED],
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), 'utf-8')


def label_in_time(
    teacher: ViewTeacher,
    images: Sequence[Path],
    read: Callable[[Path], RgbImage],
    write: Callable[[Path, NDArray[np.uint8]], object],
    end_s: float,
    least: int,
) -> list[Path]:
    """Label images until the time is over, in an order that keeps them spread.

    Args:
        teacher: Labels them.
        images: In the order of time.
        read: Returns an image.
        write: Called with an image's path and its labels.
        end_s: Monotonic time after which no further image is begun.
        least: Images that are labelled in any case.

    Returns:
        The labelled images, in the order of time.
    """
    done = list[Path]()
    for place in spread_order(len(images)):
        if len(done) >= least and time.monotonic() > end_s:
            break
        path = images[place]
        write(path, teacher.label(read(path)))
        done.append(path)
    return sorted(done)


def spread_order(count: int) -> list[int]:
    """Return 0 to count - 1 in an order whose beginnings are evenly spread: halves, quarters."""
    bits = max(1, (count - 1).bit_length())
    order = (int(f'{place:0{bits}b}'[::-1], 2) for place in range(1 << bits))
    return [place for place in order if place < count]
