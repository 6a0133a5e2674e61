# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where frames to label come from: bags, replays, folders of images and datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.bags.hiseg_types import decode
from hiseg_ros.bags.message_stream import MessageStream, StreamMessage
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.bags.stamps import is_plain_cdr, read_stamp_ns
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.errors import BagError, ConfigError, ImageError
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.messages.codec import decode_probability_map, decode_taxonomy
from hiseg_ros.replay.replay_folder import BAG, FRAMES, METRICS, WORK
from hiseg_ros.retrieval.sources import IMAGE_ENDINGS, Frame, Source, open_source
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import LabelImage, NodeProbabilities, Wanted

WANTED = Wanted(labels=True, confidence=False, probabilities=True)


@dataclass(frozen=True)
class SegmentedFrame:
    """One frame with what a network says about it."""

    frame: Frame
    probabilities: NodeProbabilities | None
    """None where the image is damaged."""
    labels: LabelImage | None = None
    """(H, W) node ids, to compare with the frame before; None where nothing is compared."""
    flicker: tuple[float, ...] | None = None
    """Share of the steady pixels that changed their node since the frame before, by level from 1,
    where a replay has measured it."""


class Pool(Protocol):
    """Frames of one source, segmented on demand."""

    source: Source
    identity: str
    """Text that changes when images or results change."""

    def segmented(
        self, first: int = 0, wanted: Set[int] | None = None
    ) -> Iterator[SegmentedFrame]:
        """Yield frames in order with their results; see `Source.frames`."""


class EnginePool:
    """Frames that an engine segments."""

    def __init__(self, source: Source, engine: SegmentationEngine, engine_identity: str) -> None:
        """Take the source.

        Args:
            source: The images.
            engine: Segments them; its threshold is the caller's.
            engine_identity: Text that differs where its results would.
        """
        self.source, self._engine = source, engine
        self.identity = f'{engine_identity}\n{source.identity}'

    def segmented(
        self, first: int = 0, wanted: Set[int] | None = None
    ) -> Iterator[SegmentedFrame]:
        """See `Pool`."""
        for frame in self.source.frames(first, wanted):
            if frame.rgb is None:
                yield SegmentedFrame(frame, None)
                continue
            result = self._engine.segment(frame.rgb, WANTED)
            labels = result.labels if frame.time_ns is not None else None
            yield SegmentedFrame(frame, result.probabilities, labels)


class ReplayPool:
    """Frames of a finished replay: nothing is segmented again."""

    damages: tuple[str, ...] = ()
    names: list[str] = []
    """See `Source`: there are no files."""

    def __init__(self, path: Path, taxonomy: Taxonomy, topic: str | None = None) -> None:
        """Find camera, probabilities and metrics of the replay.

        Args:
            path: Output folder of `hiseg replay`.
            taxonomy: The tree whose labels are asked for.
            topic: Topic of the camera; None for the first.

        Raises:
            BagError: The replay is not finished or damaged, or was written without the camera or
                without probabilities.
            ConfigError: It has another tree.
        """
        self.path, self._taxonomy = path, taxonomy
        self.source: Source = self
        metrics = _metrics_of(path)
        self._recording = open_recording(path / BAG)
        camera, place, others = _camera_of(path, metrics, topic)
        self._camera = str(camera['topic'])
        self._node, self._depth = str(camera['node']), camera.get('bit_depth')
        self.note = (
            f'{path}: camera {self._camera}, not {", ".join(others)}; choose with --topic'
            if others
            else ''
        )
        self._check_tree()
        self._check_topics()
        self._flicker = _flicker_of(path / FRAMES, place)
        files = [(path / METRICS), *(file for file in self._recording.files if file.is_file())]
        facts = ((file, file.stat()) for file in files)
        self.identity = f'replay {self._camera}\n' + '\n'.join(
            f'{file.resolve()} {fact.st_size} {fact.st_mtime_ns}' for file, fact in facts
        )
        self.count = int(camera['frames'])

    def _check_topics(self) -> None:
        counts = {topic.name: topic.count for topic in self._recording.topics}
        levels = range(1, self._taxonomy.depth + 1)
        self._maps = [f'{self._node}/level_{level}/probabilities' for level in levels]
        for topics, what, omit in (
            ([self._camera], 'no images of its camera', 'camera'),
            (self._maps, 'no probabilities', 'probabilities'),
        ):
            absent = [topic for topic in topics if not counts.get(topic)]
            if absent:
                raise BagError(
                    f'The replay {self.path} has {what} ({absent[0]}); expected them: replay the '
                    f'recording again without --omit {omit}, or name the recording itself.'
                )

    def _check_tree(self) -> None:
        """Check the tree that the replay was written with.

        Raises:
            BagError: The replay has none.
            ConfigError: It is another.
        """
        topic = f'{self._node}/taxonomy'
        message = next(iter(MessageStream([self._recording], [topic])), None)
        if message is None:
            raise BagError(
                f'The replay {self.path} has no message on {topic}; expected the label tree: '
                'replay the recording again with --restart.'
            )
        found = decode_taxonomy(decode(message.raw, 'hiseg_ros/msg/Taxonomy'))
        if found.digest != self._taxonomy.digest:
            raise ConfigError(
                f'The replay {self.path} has the tree {found.name!r}, and the network '
                f'{self._taxonomy.name!r} in another version or another tree; expected the same: '
                'give the --model of the replay.'
            )

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `hiseg_ros.retrieval.sources.Source`."""
        for number, messages in self._groups({self._camera}, first, wanted):
            yield self._frame(number, messages[self._camera])

    def segmented(
        self, first: int = 0, wanted: Set[int] | None = None
    ) -> Iterator[SegmentedFrame]:
        """See `Pool`."""
        for number, messages in self._groups({self._camera, *self._maps}, first, wanted):
            camera = messages[self._camera]
            frame = self._frame(number, camera)
            if frame.rgb is None:
                yield SegmentedFrame(frame, None)
                continue
            size = (frame.rgb.shape[0], frame.rgb.shape[1])
            values = self._values(number, messages)
            flicker = self._flicker.get(camera.raw.time_ns)
            yield SegmentedFrame(frame, NodeProbabilities(values, size), None, flicker)

    def _groups(
        self, topics: Set[str], first: int, wanted: Set[int] | None
    ) -> Iterator[tuple[int, dict[str, StreamMessage]]]:
        """Yield the messages of each frame by topic; the camera's comes first in the bag."""
        stream = MessageStream([self._recording], topics)
        number, group = -1, dict[str, StreamMessage]()

        def is_asked() -> bool:
            return bool(group) and number >= first and (wanted is None or number in wanted)

        for message in stream:
            if message.raw.topic == self._camera:
                if is_asked():
                    yield number, group
                number, group = number + 1, {}
                if wanted and number > max(wanted):
                    return
            elif not group:
                continue
            group[message.raw.topic] = message
        if is_asked():
            yield number, group
        self.damages = tuple(map(str, stream.damages))

    def _frame(self, number: int, message: StreamMessage) -> Frame:
        data = message.raw.data
        stamp = read_stamp_ns(data) if is_plain_cdr(data) else None
        time_ns = stamp or message.raw.time_ns
        depth = None if self._depth is None else BitDepth(int(self._depth['bits']))
        try:
            rgb = rgb_of(message.decode(), depth)
        except ImageError:
            rgb = None
        return Frame(number, f'{time_ns / 1e9:.3f} s', time_ns, rgb)

    def _values(self, number: int, messages: Mapping[str, StreamMessage]) -> NDArray[np.float32]:
        """Return (V, h, w) probabilities of all nodes from the maps of all levels.

        Raises:
            BagError: A map is missing, or is one of another tree.
        """
        values: NDArray[np.float32] | None = None
        for level, topic in enumerate(self._maps, start=1):
            if topic not in messages:
                raise BagError(
                    f'Frame {number} of the replay {self.path} has no message on {topic}; '
                    'expected one: the replay is damaged, repeat it with --restart.'
                )
            message = decode(messages[topic].raw, 'hiseg_ros/msg/ProbabilityMap')
            nodes, planes = decode_probability_map(message)
            if nodes != self._taxonomy.level_nodes(level):
                raise BagError(
                    f'The replay {self.path} has probabilities of other nodes on {topic}; '
                    f'expected those of level {level}: the replay is damaged.'
                )
            if values is None:
                values = np.zeros((len(self._taxonomy), *planes.shape[1:]), np.float32)
                values[0] = 1.0
            values[list(nodes)] = planes
        assert values is not None  # a tree has a level
        return values


def _metrics_of(path: Path) -> Mapping[str, Any]:
    if not (path / METRICS).is_file():
        why = 'is not finished' if (path / WORK).is_dir() else f'has no {METRICS}'
        raise BagError(
            f'The replay {path} {why}; expected a finished one: run its `hiseg replay` again.'
        )
    try:
        found: dict[str, Any] = json.loads((path / METRICS).read_text('utf-8'))
        if not found['cameras']:
            raise KeyError('cameras')
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BagError(
            f'The file {path / METRICS} cannot be read ({problem!r}); expected the results of '
            '`hiseg replay`: replay the recording again with --restart.'
        ) from problem
    return found


def _camera_of(
    path: Path, metrics: Mapping[str, Any], topic: str | None
) -> tuple[Mapping[str, Any], int, list[str]]:
    """Return the record of a camera, its place in the replay, and the topics of the others."""
    cameras = metrics['cameras']
    topics = [str(camera['topic']) for camera in cameras]
    if topic is not None and topic not in topics:
        raise BagError(
            f'The replay {path} has no camera {topic}; expected one of {", ".join(topics)}.'
        )
    place = 0 if topic is None else topics.index(topic)
    others = [] if topic else topics[1:]
    return cameras[place], place, others


def _flicker_of(path: Path, camera: int) -> dict[int, tuple[float, ...]]:
    """Return the flicker by level of each frame of a camera, by recording time."""
    found = {}
    try:
        for line in path.read_text('utf-8').splitlines():
            record = json.loads(line)
            stability = record.get('stability')
            if record['camera'] != camera or not stability:
                continue
            levels = stability['flicker_by_level']
            if all(level is not None for level in levels):
                found[int(record['time_ns'])] = tuple(map(float, levels))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BagError(
            f'The file {path} cannot be read ({problem!r}); expected the records of `hiseg '
            'replay`: replay the recording again with --restart.'
        ) from problem
    return found


class DatasetSource:
    """The images of a dataset; see `hiseg_ros.retrieval.sources.Source`."""

    note = ''
    damages: tuple[str, ...] = ()
    names: list[str] = []
    """See `Source`: a dataset has samples, whose names are known when they are read."""

    def __init__(self, dataset: SegmentationDataset, root: Path, kind: str, options: str) -> None:
        """Take a dataset.

        Args:
            dataset: The open dataset.
            root: Its folder.
            kind: Its name in the registry.
            options: The options that it was opened with, as text.
        """
        self.path, self._dataset = root, dataset
        self._kind = f'{kind} {options}'

    @property
    def identity(self) -> str:
        """See `Source`."""
        files = sorted(
            file for file in self.path.rglob('*') if file.suffix.lower() in IMAGE_ENDINGS
        )
        facts = ((file, file.stat()) for file in files)
        rows = (f'{file.name} {fact.st_size} {fact.st_mtime_ns}' for file, fact in facts)
        return '\n'.join((self._kind, str(self.path.resolve()), *rows))

    @property
    def count(self) -> int:
        """See `Source`."""
        return len(self._dataset)

    def frames(self, first: int = 0, wanted: Set[int] | None = None) -> Iterator[Frame]:
        """See `Source`."""
        for number in range(first, len(self._dataset)):
            if wanted is None or number in wanted:
                sample = self._dataset[number]
                yield Frame(number, sample.name, None, sample.image)


def is_replay(path: Path) -> bool:
    """Return whether a path is the output folder of `hiseg replay`."""
    return (path / BAG).is_dir()


def open_pool(
    path: Path, engine: SegmentationEngine, engine_identity: str, topic: str | None = None
) -> Pool:
    """Return the frames of a replay, a bag, or a folder of images.

    Args:
        path: Its path.
        engine: Segments what is no replay; its tree is that of all.
        engine_identity: As for `EnginePool`.
        topic: Camera topic of a replay or bag; None for the best.

    Raises:
        BagError: It cannot be read, has no such topic or no camera; or a replay lacks something.
        ConfigError: There is nothing, no image, or another tree.
    """
    if is_replay(path):
        return ReplayPool(path, engine.taxonomy, topic)
    return EnginePool(open_source(path, topic), engine, engine_identity)
