# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The messages of several recordings as one stream in the order of recording time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection

from hiseg_ros.bags.converted import Converter
from hiseg_ros.bags.definitions import Definitions
from hiseg_ros.bags.foxglove import DEFINITIONS
from hiseg_ros.bags.message_types import is_foreign
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording, read_file
from hiseg_ros.errors import BagError, ImageError


@dataclass(frozen=True)
class Damage:
    """Place in a recording, or in an image of it, that is damaged."""

    bag: str
    """Name of the recording, without its folder."""
    file: str
    message: int
    """Number of the damaged message among those read from this file, from 1."""
    time_ns: int | None
    """Recording time of the last whole message before it, or of the damaged image; None where
    unknown."""
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a dict of plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return one line of text."""
        time = '' if self.time_ns is None else f', after {self.time_ns / 1e9:.3f} s'
        return f'{self.bag}: {self.file}, message {self.message}{time}: {self.reason}'


@dataclass(frozen=True)
class StreamMessage:
    """A message and its place in the recording."""

    raw: RawMessage
    bag: str
    file: str
    number: int
    """Number among the messages read from its file, from 1."""
    definitions: Definitions

    def decode(self) -> Any:
        """Return the message as an object with the fields that its recording defines.

        Raises:
            ImageError: Its bytes do not fit its type.
        """
        return self.definitions.decode(self.raw)

    def damage(self, reason: str) -> Damage:
        """Return the damage of this message itself.

        Args:
            reason: What is wrong with it, a sentence.
        """
        return Damage(self.bag, self.file, self.number, self.raw.time_ns, reason)


class MessageStream:
    """Iterator over the messages of several recordings.

    A damaged file ends the stream of its recording; `damages` lists where.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        topics: Iterable[str],
        start_ns: int | None = None,
    ) -> None:
        """Prepare; nothing is read before the first message is asked for.

        Args:
            recordings: The recordings.
            topics: Names of the wanted topics.
            start_ns: Recording time before which messages are left out. The numbers of messages
                and the damages are then those of the rest. None for all messages.
        """
        self._recordings = recordings
        self._topics = frozenset(topics)
        self._start_ns = start_ns
        self.damages: list[Damage] = []

    def __iter__(self) -> Iterator[StreamMessage]:
        """Yield the messages of all recordings, merged by recording time."""
        self.damages = [
            Damage(recording.path.name, 'metadata.yaml', 1, None, recording.fault)
            for recording in self._recordings
            if recording.fault
        ]
        streams = [self._of(recording) for recording in self._recordings]
        yield from heapq.merge(*streams, key=_time_ns)

    def _of(self, recording: Recording) -> Iterator[StreamMessage]:
        definitions = Definitions((t.name, t.message_type) for t in recording.topics)
        recorded = Definitions(recording.converted.items())
        recorded.assume(DEFINITIONS)
        converters = {
            name: Converter(kind)
            for name, kind in recording.converted.items()
            if name in self._topics
        }
        found: Counter[str] = Counter()
        ends: list[Damage] = []
        for paths in recording.groups():
            both = (definitions, recorded)
            files = [self._of_file(recording, path, both, found, ends) for path in paths]
            for message in files[0] if len(files) == 1 else heapq.merge(*files, key=_time_ns):
                converter = converters.get(message.raw.topic)
                if converter is None:
                    yield message
                else:
                    yield from self._converted(message, recorded, converter)
            self.damages += ends
            if ends:
                break
        for topic, converter in converters.items():
            yield from (_with_data(*one) for one in converter.rest())
            if converter.lost:
                why = f': {converter.first_error}' if converter.first_error else ''
                reason = f'{converter.lost} packets of the video on {topic} gave no image{why}'
                self.damages.append(Damage(recording.path.name, topic, 1, None, reason))
        if ends:
            return
        is_whole = self._start_ns is None and recording.fault is None
        if recording.announced is not None and is_whole:
            foreign = {t.name for t in recording.topics if is_foreign(t.message_type)}
            announced = {n: c for n, c in recording.announced.items() if n not in foreign}
            try:
                self._compare(found, announced, 'metadata.yaml')
            except BagError as error:
                self.damages.append(
                    Damage(recording.path.name, 'metadata.yaml', 1, None, str(error))
                )

    def _of_file(
        self,
        recording: Recording,
        path: Path,
        definitions: tuple[Definitions, Definitions],
        found: Counter[str],
        ends: list[Damage],
    ) -> Iterator[StreamMessage]:
        """Yield the messages of one file and count them; add its damage to `ends`."""
        number, time_ns = 0, None
        held, here = Counter[str](), Counter[str]()

        def note(connections: Sequence[Connection]) -> None:
            for one in definitions:
                one.note(connections)
            for connection in connections:
                if not is_foreign(connection.msgtype):
                    held[connection.topic] += connection.msgcount

        try:
            for raw in read_file(path, self._topics, note, self._start_ns):
                number, time_ns = number + 1, raw.time_ns
                here[raw.topic] += 1
                yield StreamMessage(raw, recording.path.name, path.name, number, definitions[0])
        except BagError as error:
            ends.append(Damage(recording.path.name, path.name, number + 1, time_ns, str(error)))
            return
        found.update(here)
        if self._start_ns is not None:
            return  # a part of the messages cannot be compared with their numbers
        try:
            self._compare(here, held)
        except BagError as error:
            self.damages.append(
                Damage(recording.path.name, path.name, number + 1, time_ns, str(error))
            )

    def _converted(
        self, message: StreamMessage, recorded: Definitions, converter: Converter
    ) -> Iterator[StreamMessage]:
        """Yield the images that are complete with a message."""
        try:
            packet = recorded.decode(message.raw)
        except ImageError as error:
            self.damages.append(message.damage(str(error)))
            return
        # Without its data: what waits for its image must not fill the memory.
        for one in converter.convert(packet, _with_data(message, b'')):
            yield _with_data(*one)

    def _compare(
        self, found: Mapping[str, int], counted: Mapping[str, int], where: str = 'the file'
    ) -> None:
        """Compare the messages that were read with those that a file or metadata.yaml counts.

        Raises:
            BagError: They differ.
        """
        for topic in sorted(self._topics):
            count, said = found.get(topic, 0), counted.get(topic, 0)
            if count != said:
                raise BagError(f'{where} counts {said} messages on {topic}, {count} were read')


def _with_data(message: StreamMessage, data: bytes) -> StreamMessage:
    """Return a message of the same time and place with other data."""
    return replace(message, raw=replace(message.raw, data=data))


def _time_ns(message: StreamMessage) -> int:
    return message.raw.time_ns
