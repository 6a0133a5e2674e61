# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Probability maps and masks with any fields are decoded to the announced size, or refused."""

from __future__ import annotations

from types import SimpleNamespace

import hostile
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.errors import ImageError
from hiseg_ros.messages.codec import (
    MASK_ENCODINGS,
    PROBABILITY_ENCODINGS,
    decode_mask,
    decode_probability_map,
)

SIDES = st.integers(0, 9) | st.integers(0, 2**32 - 1)


@hostile.fuzzed(150)
@given(
    encoding=st.sampled_from(PROBABILITY_ENCODINGS) | st.text(max_size=8),
    node_ids=st.lists(st.integers(0, 255), max_size=5), height=SIDES, width=SIDES,
    data=st.binary(max_size=100), fits=st.booleans(),
)  # fmt: skip
def test_a_probability_map_is_read_or_refused(
    encoding: str, node_ids: list[int], height: int, width: int, data: bytes, fits: bool
) -> None:
    """Also where the size fits, so that the values themselves are anything."""
    cells = len(node_ids) * height * width * (2 if encoding == 'float16' else 1)
    if fits and cells <= 10_000:
        data = np.random.default_rng(cells).bytes(cells)
    message = SimpleNamespace(
        encoding=encoding, node_ids=node_ids, height=height, width=width, data=data
    )
    try:
        ids, values = decode_probability_map(message)
    except ImageError as problem:
        assert 'expected' in str(problem)
        return
    assert values.shape == (len(node_ids), height, width) and list(ids) == node_ids
    assert values.size, 'there is a most probable node everywhere'


@hostile.fuzzed(150)
@given(
    encoding=st.sampled_from(MASK_ENCODINGS) | st.text(max_size=8), height=SIDES, width=SIDES,
    data=st.binary(max_size=100), fits=st.booleans(),
)  # fmt: skip
def test_a_mask_is_read_or_refused(
    encoding: str, height: int, width: int, data: bytes, fits: bool
) -> None:
    """Of 4e9 x 4e9 pixels, too, which nothing is allocated for."""
    if fits and height * width <= 10_000:
        pixels = height * width
        data = bytes(-(-pixels // 8) if encoding == 'packbits' else pixels)
    roi = SimpleNamespace(height=height, width=width)
    try:
        mask = decode_mask(SimpleNamespace(encoding=encoding, roi=roi, data=data))
    except ImageError as problem:
        assert 'expected' in str(problem)
        return
    assert mask.shape == (height, width) and mask.dtype == np.bool_


@hostile.fuzzed(150)
@given(data=st.data(), kind=st.sampled_from(hostile.RESULTS))
def test_a_damaged_result_of_a_recording_is_read_or_refused(
    data: st.DataObject, kind: str
) -> None:
    """From its bytes on, lengths and all."""
    whole = hostile.results()
    hostile.read_result(kind, whole[kind])
    try:
        hostile.read_result(kind, data.draw(hostile.damaged(whole[kind])))
    except ImageError as problem:
        assert 'expected' in str(problem)
