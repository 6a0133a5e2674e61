# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The info block of a model file of any kind, read without torch or another runtime."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.onnx_bytes import fields_of
from hiseg_ros.inference.onnx_digest import METADATA_FIELD, check_onnx, check_outside
from hiseg_ros.model.digest import read_header
from hiseg_ros.model.info import INFO_KEY, ModelInfo, parse_info

SAFETENSORS, ONNX, EXPORTED_PROGRAM = '.safetensors', '.onnx', '.pt2'
SUFFIXES = (SAFETENSORS, ONNX, EXPORTED_PROGRAM)

MAX_INFO_BYTES = 16_000_000
"""Largest info block; a file that claims more was not written by this project."""


MAX_FILE_BYTES = 1 << 30
"""Of a model file, which is read into memory; a network of this package has some megabytes."""


def kind_of(path: Path) -> str:
    """Return a model file's suffix in lower case.

    Raises:
        CheckpointError: It does not exist, is of no kind that this package knows, or is larger
            than `MAX_FILE_BYTES`.
    """
    is_file = os.path.isfile(path)  # Path.is_file raises on a name that is too long
    if path.suffix.lower() not in SUFFIXES and is_file:
        raise CheckpointError(
            f'{path} has the suffix {path.suffix!r}; expected {SAFETENSORS} from `hiseg train`, '
            f'or {ONNX} from `hiseg export`.'
        )
    if not is_file:
        raise CheckpointError(
            f'Weights {path} do not exist; expected a {SAFETENSORS} file written by `hiseg train` '
            f'or an {ONNX} file written by `hiseg export`: check the path or leave it out for '
            'the shipped weights.'
        )
    if (size := os.path.getsize(path)) > MAX_FILE_BYTES:
        raise CheckpointError(
            f'{path} has {size} bytes; expected a model file of at most {MAX_FILE_BYTES}: check '
            'the path.'
        )
    return path.suffix.lower()


def read_info(path: Path) -> ModelInfo:
    """Return the info block of a model file; nothing in the file is executed.

    An ONNX file is read whole, so its digest is checked too; weights have `check_safetensors`.

    Args:
        path: A .safetensors, .onnx or .pt2 file.

    Raises:
        CheckpointError: The file is missing, of another kind, damaged, has another digest than it
            states, or no info block.
    """
    kind = kind_of(path)
    try:
        text = {SAFETENSORS: _of_safetensors, ONNX: _of_onnx, EXPORTED_PROGRAM: _of_program}[kind](
            path
        )
    except (OSError, ValueError) as problem:
        raise CheckpointError(
            f'{path} is not a readable {kind} file ({problem}); expected one written by '
            '`hiseg train` or `hiseg export`.'
        ) from problem
    if text is None:
        raise CheckpointError(
            f'{path} has no info block {INFO_KEY!r}; expected a file written by `hiseg train` or '
            '`hiseg export`, not that of another project.'
        )
    return parse_info(text, path)


def _of_safetensors(path: Path) -> str | None:
    """Return the block of a safetensors file."""
    with path.open('rb') as file:
        header, _ = read_header(file)
    metadata = header.get('__metadata__')
    text = metadata.get(INFO_KEY) if isinstance(metadata, dict) else None
    if text is not None and not isinstance(text, str):
        raise ValueError('an info block that is no text')
    return text


def _of_program(path: Path) -> str | None:
    """Return the block of a file written by torch.export.save."""
    try:
        return _of_archive(path)
    except OSError:
        raise
    except Exception as problem:  # each kind of compression has errors of its own
        raise ValueError(str(problem) or type(problem).__name__) from problem


def _of_archive(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        wanted = f'/extra/{INFO_KEY}'
        entry = next((item for item in archive.infolist() if item.filename.endswith(wanted)), None)
        if entry is None:
            return None
        if entry.file_size > MAX_INFO_BYTES:
            raise ValueError(f'an info block of {entry.file_size} bytes')
        return archive.read(entry).decode()


def _of_onnx(path: Path) -> str | None:
    """Return the block of an ONNX file."""
    content = memoryview(path.read_bytes())
    check_outside(content, path)
    is_model = False
    for number, value in fields_of(content):
        is_model = True
        if number != METADATA_FIELD or value is None:
            continue
        entry = {key: bytes(text) for key, text in fields_of(value) if text is not None}
        if entry.get(1) == INFO_KEY.encode():
            text_bytes = entry.get(2, b'')
            if len(text_bytes) > MAX_INFO_BYTES:
                raise ValueError(f'an info block of {len(text_bytes)} bytes')
            check_onnx(content, path)
            return text_bytes.decode()
    if not is_model:
        raise ValueError('it is empty')
    return None
