# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The info block of every kind of model file, and errors for other files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.inference.onnx_bytes import fields_of
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.info import INFO_KEY, dump_info


def field(number: int, content: bytes) -> bytes:
    """Return one field of a protocol buffer that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Return a number as groups of seven bits."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def onnx_with(key: str, text: str) -> bytes:
    """Return an ONNX file without a graph and with one entry of metadata."""
    entry = field(1, key.encode()) + field(2, text.encode())
    return b'\x08\x08' + field(2, b'pytorch') + field(14, entry)


def test_weights_say_the_same_with_and_without_torch(tiny_checkpoint: Path) -> None:
    """Reading the block alone loads no tensor."""
    assert read_info(tiny_checkpoint) == load_checkpoint(tiny_checkpoint).info


def test_the_block_of_an_onnx_file_is_found(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """In the metadata, after anything else."""
    info = load_checkpoint(tiny_checkpoint).info
    path = tmp_path / 'x.onnx'
    path.write_bytes(onnx_with('author', 'x') + onnx_with(INFO_KEY, dump_info(info)))
    assert read_info(path) == info


@pytest.mark.parametrize('suffix', ['.onnx', '.pt2', '.safetensors'])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    """With its path."""
    with pytest.raises(CheckpointError, match=rf'absent\{suffix} do not exist'):
        read_info(tmp_path / f'absent{suffix}')


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """By its suffix."""
    path = tmp_path / 'network.pth'
    path.write_bytes(b'x')
    with pytest.raises(CheckpointError, match=r"suffix '\.pth'; expected \.safetensors"):
        read_info(path)


@pytest.mark.parametrize('content', [b'', b'\xff' * 50, b'PK\x03\x04', b'\x00' * 40])
@pytest.mark.parametrize('suffix', ['.onnx', '.pt2', '.safetensors'])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    """As one kind of error."""
    path = tmp_path / f'x{suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='not a readable'):
        read_info(path)


def test_a_network_of_another_project_is_refused(tmp_path: Path) -> None:
    """It has metadata, but not ours."""
    path = tmp_path / 'x.onnx'
    path.write_bytes(onnx_with('author', 'somebody'))
    with pytest.raises(CheckpointError, match=r"no info block 'hiseg_ros'"):
        read_info(path)


def test_a_truncated_file_is_refused_wherever_it_ends(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Cut in a key, a length or a text; cut between two fields, the block is missing."""
    content = onnx_with(INFO_KEY, dump_info(load_checkpoint(tiny_checkpoint).info))
    path = tmp_path / 'x.onnx'
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_info(path)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No other kind of error, and no endless loop."""
    try:
        list(fields_of(memoryview(content)))
    except ValueError:
        pass


@pytest.mark.parametrize('suffix', ['.onnx', '.safetensors', '.pt2'])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    suffix: str, tmp_path: Path
) -> None:
    """A sparse file of 5 GiB costs no memory."""
    path = tmp_path / f'zeros{suffix}'
    with path.open('wb') as file:
        file.truncate(5 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r'has 5368709120 bytes; expected'):
            read_info(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
