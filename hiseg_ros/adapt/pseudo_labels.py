# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels of a class tree: at each pixel the deepest node that the teacher is sure of.

The teacher is the old network over several views of an image: its own size, larger, and mirrored,
their leaf probabilities averaged. That is better than the network alone, which is what there is to
learn; and where it cannot tell a car from a van, "motor vehicle" is still a label, where flat
pseudo labels would have none.
"""

from __future__ import annotations

import time
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
from hiseg_ros.types import UNLABELED, LabelImage, RgbImage

MAPPING_NAME = 'tree_nodes'
"""Mapping whose label ids are the node ids of a tree."""

THRESHOLD = 0.6
"""Probability above which a node is sure; more than one half, so that the sure nodes of a pixel
lie on one path of the tree."""

_ROWS = 64
"""Rows decided at a time: all nodes of a whole image would take hundreds of megabytes."""


@dataclass(frozen=True)
class View:
    """How a teacher looks at an image."""

    scale: float
    """Factor on the size at which the network sees whole images."""
    is_mirrored: bool = False


VIEWS = (View(1.0), View(1.0, True), View(1.35), View(0.8, True))


class ViewTeacher:
    """A frozen network over several views of an image."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, bfloat16: bool) -> None:
        """Build the network.

        Args:
            checkpoint: Its weights.
            device: Where it runs.
            bfloat16: Whether its convolutions compute in bfloat16.
        """
        self._preprocessing, self._taxonomy = checkpoint.preprocessing, checkpoint.taxonomy
        self._device, self._bfloat16 = device, bfloat16
        with device_faults(str(device)):
            self._network = checkpoint.build().to(device).eval()

    def label(self, rgb: RgbImage, views: Sequence[View] = VIEWS) -> LabelImage:
        """Return the pseudo labels of an image.

        Args:
            rgb: (H, W, 3) uint8.
            views: At least one.

        Returns:
            (H, W) uint8 node ids; 255 where only the root is sure.

        Raises:
            DeviceError: The device has too little memory, or is gone.
        """
        with torch.inference_mode(), device_faults(str(self._device)):
            leaves = self.leaf_probabilities(rgb, views)
            nodes = self._network.node_probabilities(leaves)
            return deepest_sure(nodes[0], self._taxonomy, (rgb.shape[0], rgb.shape[1]))

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


def deepest_sure(
    nodes: torch.Tensor, taxonomy: Taxonomy, size: tuple[int, int], threshold: float = THRESHOLD
) -> LabelImage:
    """Return the deepest node of each pixel with a probability above a threshold.

    Args:
        nodes: (V, h, w) node probabilities on a grid that covers the image.
        taxonomy: The tree.
        size: (H, W) of the image.
        threshold: At least one half.

    Returns:
        (H, W) uint8 node ids; 255 where only the root is sure.
    """
    depth = torch.tensor([taxonomy.level(n.node_id) for n in taxonomy.nodes], dtype=nodes.dtype)
    depth = depth.to(nodes.device)[:, None, None]
    height, width = size
    labels = np.full(size, UNLABELED, np.uint8)
    columns = F.interpolate(nodes[None], size=(nodes.shape[1], width), mode='bilinear')[0]
    grid_rows = nodes.shape[1]
    for start in range(0, height, _ROWS):
        rows = torch.arange(start, min(start + _ROWS, height), device=nodes.device)
        place = ((rows + 0.5) * grid_rows / height - 0.5).clamp(0, grid_rows - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=grid_rows - 1)
        share = (place - low)[None, :, None]
        values = columns[:, low] * (1 - share) + columns[:, high] * share
        deepest = torch.where(values > threshold, depth, -1.0).argmax(0)
        found = deepest.cpu().numpy().astype(np.uint8)
        labels[start : start + _ROWS] = np.where(found == 0, UNLABELED, found)
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
