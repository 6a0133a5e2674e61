# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Text of others, such as a topic's name, without the characters that steer a terminal."""

from __future__ import annotations

import re
from typing import Any

# Control characters but tab and line feed, the marks that turn the direction of writing, and the
# separators that some programs take for new lines.
_STEERING = re.compile(
    '[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]'
)

# What progress bars write: back to the first column, to erase a line, or up to the line above.
_PROGRESS = re.compile('\r|\x1b\\[[AK]')


def printable(text: str) -> str:
    r"""Return a text with the characters that steer a terminal written out, as in '\x1b'."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


class PlainStream:
    """A text stream that writes out what steers a terminal; all else is that of the stream.

    Progress bars may still move the cursor at the beginning and the end of what they write.
    """

    def __init__(self, stream: Any) -> None:
        """Wrap a stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        begin, end = 0, len(text)
        while found := _PROGRESS.match(text, begin):
            begin = found.end()
        while end > begin and (found := re.search('(\r|\x1b\\[[AK])$', text[begin:end])):
            end -= len(found[0])
        self._stream.write(text[:begin] + printable(text[begin:end]) + text[end:])
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself has."""
        return getattr(self._stream, name)
