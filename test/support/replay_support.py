# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the offline replay share: a quick engine, drawn drives, whole replays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from random_trees import named_tree

from hiseg_ros.bags.cameras import choose_from
from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.replay.replay_folder import ReplayFolder
from hiseg_ros.replay.truth import TruthTopic
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation

SIZE = (48, 64)
CAMERA = '/camera/image_raw/compressed'
TRUTH = '/ground_truth/node_ids/compressed'
STRIDE = 4


def tree() -> Taxonomy:
    """Return a tree with signs as its subclass root, its colours far apart."""
    drawn = named_tree(
        ('scene', [
            ('ground', ['road', 'walk']),
            ('sign', ['stop', ('limit', ['limit_30', 'limit_50']), 'other sign']),
            'sky',
        ]),
        subclass_root='sign',
    )  # fmt: skip
    steps = (40, 120, 210)
    colors = [(red, green, blue) for red in steps for green in steps for blue in steps]
    nodes = tuple(replace(n, color=colors[(7 * n.node_id) % 27]) for n in drawn.nodes)
    return replace(drawn, nodes=nodes)


def mapping(taxonomy: Taxonomy) -> Mapping:
    """Return the labels of a drawn drive's truth, by node id."""
    labels = tuple(
        Label(taxonomy.node_id(name), name, taxonomy.leaves_below(taxonomy.node_id(name)))
        for name in ('road', 'walk', 'sign', 'sky')
    )
    return Mapping('drawn', labels, (255,))


class ColourEngine:
    """Takes each leaf's colour for its image: quick, and right but for the camera's noise."""

    device = 'cpu'

    def __init__(self, taxonomy: Taxonomy | None = None) -> None:
        self.taxonomy = taxonomy or tree()
        self._leaves = np.array(self.taxonomy.leaves)
        self._colors = self.taxonomy.palette[self._leaves].astype(np.float32)

    def segment(self, rgb: RgbImage) -> Segmentation:
        """Segment by the distance to the leaves' colours."""
        height, width = rgb.shape[:2]
        small = rgb[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.float32)
        distance = np.abs(small[None] - self._colors[:, None, None]).sum(-1)
        leaves = np.exp(-distance / 10)
        leaves /= leaves.sum(0)
        values = np.tensordot(self.taxonomy.leaf_matrix().astype(np.float32), leaves, 1)
        best = self._leaves[leaves.argmax(0)].astype(np.uint8)
        labels = cv2.resize(best, (width, height), interpolation=cv2.INTER_NEAREST)
        sure = np.rint(255 * leaves.max(0)).astype(np.uint8)
        confidence = cv2.resize(sure, (width, height), interpolation=cv2.INTER_NEAREST)
        probabilities = NodeProbabilities(values.astype(np.float32), (height, width))
        return Segmentation(labels, confidence, probabilities)


def drive(count: int, *, sparse: int = 1, size: tuple[int, int] = SIZE) -> Iterator[Frame]:
    """Yield a street with a sign that comes nearer; the truth is known every `sparse` frames."""
    taxonomy, (height, width) = tree(), size
    names = ('sky', 'walk', 'road', 'limit_30')
    sky, walk, road, sign = (taxonomy.node_id(name) for name in names)
    texture = np.random.default_rng(5).integers(-12, 13, (height, 2 * width, 1))
    for number in range(count):
        labels = np.full(size, sky, np.uint8)
        labels[height // 2 :, :] = road
        labels[height // 2 :, : width // 4] = walk
        side, left = 8 + number % 9, 20 + number % 9
        labels[4 : 4 + side, left : left + side] = sign
        shift = number % width
        rgb = taxonomy.palette[labels].astype(np.int64) + texture[:, shift : shift + width]
        truth = np.where(labels == sign, taxonomy.node_id('sign'), labels).astype(np.uint8)
        yield Frame(np.clip(rgb, 0, 255).astype(np.uint8), truth if number % sparse == 0 else None)


def write_drive(path: Path, count: int = 12, **options: Any) -> Path:
    """Write a drawn drive as a bag at 10 Hz; return its folder."""
    drawing = {name: options.pop(name) for name in ('sparse', 'size') if name in options}
    write_camera_bag(path, drive(count, **drawing), 10.0, **options)
    return path


def replay(
    bags: Path | list[Path],
    output: Path,
    *,
    truth: str | None = None,
    topics: tuple[str, ...] = (),
    part_frames: int = 5,
    on_frame: Callable[[int], object] = lambda frames: None,
    engine: Any = None,
    **changes: Any,
) -> dict[str, Any]:
    """Replay with the quick engine; return what metrics.json says."""
    from hiseg_ros.replay.offline import Replay, ReplayPlan

    engine = engine or ColourEngine()
    recordings = [open_recording(path) for path in ([bags] if isinstance(bags, Path) else bags)]
    cameras = choose_from(recordings, topics, truth).cameras
    plan = ReplayPlan(recordings, cameras, part_frames=part_frames, facts={'name': 'test'})
    if truth is not None:
        source = TruthTopic(recordings, truth, cameras[0].topic)
        plan = replace(plan, truth=source, mapping=mapping(engine.taxonomy))
    plan = replace(plan, **changes)
    Replay(engine, plan, ReplayFolder(output, plan.facts)).run(on_frame)
    metrics: dict[str, Any] = json.loads((output / 'metrics.json').read_text())
    return metrics


def records(output: Path) -> list[dict[str, Any]]:
    """Return the rows of frames.jsonl."""
    return [json.loads(line) for line in (output / 'frames.jsonl').read_text().splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """Return all results but the timing, by name."""
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in sorted(output.rglob('*'))
        if path.is_file() and path.name != 'timing.json'
    }
