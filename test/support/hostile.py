# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the tests with hostile input share: how much is tried, damaged bytes, images that lie."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.hiseg_types import decode, node_types
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.messages.codec import decode_mask, decode_probability_map
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import NodeProbabilities, SubclassMask

TIMES = float(os.environ.get('HISEG_FUZZ', '1'))
"""How often the number of examples that the suite tries: HISEG_FUZZ=100 runs for half an hour."""


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """Return the settings of a test that tries so many examples in the suite."""
    return settings(
        max_examples=max(1, round(examples * TIMES)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return bytes with a few changed, some cut out, and perhaps the end missing."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(['out', 'in', 'end']))
        if kind == 'end':
            del data[start:]
        elif kind == 'out':
            del data[start : start + draw(st.integers(1, 20))]
        else:
            data[start:start] = draw(st.binary(min_size=1, max_size=20))
    return bytes(data)


def jpeg(size: tuple[int, int] = (24, 32), *, progressive: bool = False) -> bytes:
    """Return a JPEG of noise."""
    pixels = np.random.default_rng(4).integers(0, 256, (*size, 3), np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode('.jpg', pixels, options)[1].tobytes()


def png(size: tuple[int, int] = (24, 32)) -> bytes:
    """Return a PNG of noise."""
    pixels = np.random.default_rng(4).integers(0, 256, (*size, 3), np.uint8)
    return cv2.imencode('.png', pixels)[1].tobytes()


RESULTS = ('hiseg_ros/msg/ProbabilityMap', 'hiseg_ros/msg/SubclassMasks')


@functools.cache
def results() -> dict[str, bytes]:
    """Return a probability map and two signs as recordings hold them (CDR), by type."""
    types, tree = node_types(), load_taxonomy('street')
    header = messages.header(1_000_000_002, 'front')
    values = np.random.default_rng(4).random((len(tree), 3, 5), np.float32)
    mask = SubclassMask(
        tree.leaves[-1], 0, 0.5, ((tree.leaves[-1], 0.5),), (1, 2, 3, 5), np.ones((3, 5), bool), 15
    )
    found = (
        messages.probability_map_message(
            header, NodeProbabilities(values, (24, 40)), tree.level_nodes(1), tree
        ),
        messages.subclass_masks_message(header, [mask, mask], tree, (24, 40)),
    )
    pairs = zip(RESULTS, found, strict=True)
    return {kind: bytes(types.serialize_cdr(message, kind)) for kind, message in pairs}


def read_result(kind: str, data: bytes) -> None:
    """Read what `results` returns; raises HisegError where it is damaged."""
    message = decode(RawMessage('/result', 0, data), kind)
    if kind == RESULTS[0]:
        decode_probability_map(message)
    else:
        for mask in message.masks:
            decode_mask(mask)


def frame_segment(content: bytes) -> tuple[int, int]:
    """Return where the frame header of a JPEG begins and ends."""
    start = content.index(b'\xff\xc2' if b'\xff\xc2' in content else b'\xff\xc0')
    return start, start + 2 + struct.unpack_from('>H', content, start + 2)[0]


def claiming(content: bytes, height: int, width: int) -> bytes:
    """Return a JPEG with another size in its header."""
    start, _ = frame_segment(content)
    return content[: start + 5] + struct.pack('>HH', height, width) + content[start + 9 :]


def large_then_small(height: int, width: int) -> bytes:
    """Return a JPEG that is decoded at a size but claims a small one in a second frame header."""
    small = jpeg()
    start, end = frame_segment(small)
    return claiming(small, height, width)[:-2] + small[start:end] + b'\xff\xd9'


def hidden_frame(height: int, width: int) -> bytes:
    """Return a JPEG whose large frame lies where readers of segments skip and OpenCV does not."""
    small = jpeg()
    start, end = frame_segment(small)
    large = claiming(small, height, width)[start:]
    inside = large[:-2]
    segment = b'\xff\x00' + struct.pack('>H', len(inside) + 2) + inside
    return small[:start] + segment + small[start:]


def many_scans(count: int, size: tuple[int, int] = (24, 32)) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    content = jpeg(size, progressive=True)
    scan = content[content.rindex(b'\xff\xda') : -2]
    return content[:-2] + scan * count + b'\xff\xd9'
