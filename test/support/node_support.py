# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node under test in a private graph, with small weights or an engine that can be held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.parameter import Parameter
from ros_graph import Graph
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from hiseg_ros.ros.node.engine_loader import LoadedEngine, load_engine
from hiseg_ros.ros.node.segmentation_node import SegmentationNode
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted

STAMP = Time(sec=1_700_000_123, nanosec=456_789_012)
FRAME_ID = 'front_camera_optical'


def header(number: int = 0) -> Header:
    """Return a header with a stamp that tells the frame's number."""
    return Header(stamp=Time(sec=STAMP.sec + number, nanosec=STAMP.nanosec), frame_id=FRAME_ID)


def image_message(rgb: RgbImage, number: int = 0) -> Image:
    """Return an rgb8 image message."""
    height, width = rgb.shape[:2]
    return Image(
        header=header(number),
        height=height,
        width=width,
        encoding='rgb8',
        step=3 * width,
        data=rgb.tobytes(),
    )


def compressed_message(content: bytes, number: int = 0, kind: str = 'png') -> CompressedImage:
    """Return a compressed image message."""
    return CompressedImage(header=header(number), format=kind, data=content)


def pixels(message: Image) -> NDArray[np.uint8]:
    """Return the bytes of a mono8 or rgb8 message as (H, W) or (H, W, 3)."""
    shape = [message.height, message.width]
    if message.encoding == 'rgb8':
        shape.append(3)
    assert message.step * message.height == len(message.data)
    return np.frombuffer(message.data, np.uint8).reshape(shape)


class HeldEngine:
    """Stands in for the engine: counts calls, and each one can be held or made to fail."""

    device = backend = precision = 'pretended'
    batch_pays = True

    def __init__(self, leaf: int = 0, taxonomy: str = 'street') -> None:
        self.taxonomy = load_taxonomy(taxonomy)
        self.leaf = self.taxonomy.leaves[leaf]
        self.threshold = 0.0
        self.calls: list[dict[str, Any]] = []
        self.batches: list[list[tuple[int, int]]] = []
        self.error: Exception | None = None
        self.closed = 0
        self.may_go = threading.Event()
        self.may_go.set()
        self.threads: set[str] = set()

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return its leaf everywhere, once it may."""
        self.threads.add(threading.current_thread().name)
        self.calls.append({**vars(wanted), 'threshold': self.threshold})
        self.may_go.wait(60.0)
        if self.error is not None:
            raise self.error
        size = (rgb.shape[0], rgb.shape[1])
        leaf = self.leaf
        values = np.zeros((len(self.taxonomy), 2, 2), np.float32)
        values[list(self.taxonomy.path(leaf))] = 1.0
        return Segmentation(
            np.full(size if wanted.labels else (0, 0), leaf, np.uint8),
            np.full(size if wanted.confidence else (0, 0), 255, np.uint8),
            NodeProbabilities(values if wanted.probabilities else values[:0], size),
        )

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        """Note the sizes of the images and segment one after the other."""
        self.batches.append([(rgb.shape[0], rgb.shape[1]) for rgb in rgbs])
        for number, rgb in enumerate(rgbs):
            yield number, self.segment(rgb, wanted[number])

    def close(self) -> None:
        """Count."""
        self.closed += 1

    def load(self, parameters: NodeParameters) -> LoadedEngine:
        """Be the node's engine factory."""
        return LoadedEngine(self, self.taxonomy, {'model': 'held', 'device': self.device})


class SpyEngine:
    """The real engine, with its calls counted."""

    def __init__(self) -> None:
        self.calls: list[Wanted] = []

    def load(self, parameters: NodeParameters) -> LoadedEngine:
        """Be the node's engine factory."""
        loaded = load_engine(parameters)
        segment = loaded.engine.segment

        def spy(rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
            self.calls.append(wanted)
            return segment(rgb, wanted)

        loaded.engine.segment = spy  # type: ignore[method-assign]
        return loaded


def start_node(graph: Graph, engine_factory: Any = load_engine, **given: Any) -> SegmentationNode:
    """Start the node in the graph; parameters by name, with __ for a dot; paths become text."""
    values = {
        name.replace('__', '.'): str(value) if isinstance(value, Path) else value
        for name, value in given.items()
    }
    node = SegmentationNode(
        engine_factory=engine_factory,
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
    )
    graph.start(node)
    return node


def wait_active(graph: Graph) -> None:
    """Wait until the node is active."""
    graph.until(lambda: graph.state() == 'active', 'the node is active')


@dataclass(frozen=True)
class Drive:
    """An active node whose results and diagnostics are noted, and a way to send it images."""

    node: SegmentationNode
    publish: Callable[[], None]
    """Send one image of each camera."""
    labels: dict[str, list[Image]]
    """What arrives, by camera; '' for the one without a name."""
    reports: list[DiagnosticArray]


def start_drive(graph: Graph, engine: Any, image: RgbImage, **given: Any) -> Drive:
    """Start a node on an engine with the parameters, and wait until it is active."""
    node = start_node(graph, engine.load, **given)
    wait_active(graph)
    prefixes = {name: f'{name}/' for name in given.get('cameras', ())} or {'': ''}
    images = [
        graph.peer.create_publisher(Image, f'{prefix}image', 1) for prefix in prefixes.values()
    ]
    labels = {
        name: graph.collect(Image, f'/segmentation/{prefix}labels')
        for name, prefix in prefixes.items()
    }

    def publish() -> None:
        for publisher in images:
            publisher.publish(image_message(image))

    return Drive(node, publish, labels, graph.collect(DiagnosticArray, '/diagnostics'))


def latest(reports: list[Any], index: int = 0) -> tuple[bytes, str, dict[str, str]]:
    """Return level, sentence and values of the newest report; index 1 is the transport's."""
    if not reports:
        return b'', '', {}
    status = reports[-1].status[index]
    return status.level, status.message, {v.key: v.value for v in status.values}
