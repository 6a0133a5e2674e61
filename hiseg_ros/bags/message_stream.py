# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The messages of several recordings as one stream in the order of time, up to any damage."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hiseg_ros.bags.definitions import Definitions
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.bags.recording import Recording, read_file
from hiseg_ros.errors import BagError


@dataclass(frozen=True)
class Damage:
    """Where a recording, or an image in it, is damaged."""

    bag: str
    """Name of the recording, without its folder."""
    file: str
    message: int
    """Messages of the replayed topics in this file before the damage, plus one."""
    time_ns: int | None
    """Recording time of the last whole message before it, of the image itself, or None."""
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return it with plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return one line."""
        time = '' if self.time_ns is None else f', after {self.time_ns / 1e9:.3f} s'
        return f'{self.bag}: {self.file}, message {self.message}{time}: {self.reason}'


@dataclass(frozen=True)
class StreamMessage:
    """A message and where it lies."""

    raw: RawMessage
    bag: str
    file: str
    number: int
    """Among the read messages of its file, from 1."""
    definitions: Definitions

    def decode(self) -> Any:
        """Return the message as an object, as its recording defines it.

        Raises:
            ImageError: Its bytes do not fit its type.
        """
        return self.definitions.decode(self.raw)

    def damage(self, reason: str) -> Damage:
        """Return that this message itself is damaged."""
        return Damage(self.bag, self.file, self.number, self.raw.time_ns, reason)


class MessageStream:
    """Reads one message at a time; what is damaged ends its recording and is remembered."""

    def __init__(self, recordings: Sequence[Recording], topics: Iterable[str]) -> None:
        """Prepare; nothing is read before the first message is asked for."""
        self._recordings = recordings
        self._topics = frozenset(topics)
        self.damages: list[Damage] = []

    def __iter__(self) -> Iterator[StreamMessage]:
        """Yield the messages of all recordings, merged by recording time."""
        self.damages = [
            Damage(recording.path.name, 'metadata.yaml', 1, None, recording.fault)
            for recording in self._recordings
            if recording.fault
        ]
        streams = [self._of(recording) for recording in self._recordings]
        yield from heapq.merge(*streams, key=lambda message: message.raw.time_ns)

    def _of(self, recording: Recording) -> Iterator[StreamMessage]:
        definitions = Definitions((t.name, t.message_type) for t in recording.topics)
        for path in recording.files:
            number, time_ns = 0, None
            try:
                for raw in read_file(path, self._topics, definitions.note):
                    number, time_ns = number + 1, raw.time_ns
                    yield StreamMessage(raw, recording.path.name, path.name, number, definitions)
            except BagError as error:
                self.damages.append(
                    Damage(recording.path.name, path.name, number + 1, time_ns, str(error))
                )
                return
