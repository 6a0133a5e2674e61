# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measures the ONNX files of a folder beside our network: same runtime, same input, in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.benchmark.engines import EngineChoice, EngineJob, file_for, run_module
from hiseg_ros.benchmark.peer_networks import RUNTIMES
from hiseg_ros.benchmark.peer_run import PeerSettings
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.model_file import MAX_FILE_BYTES, ONNX
from hiseg_ros.inference.onnx_bytes import fields_of, outside_files

_GRAPH, _NODE, _OPERATOR = 7, 1, 4
"""Numbers of the fields of an ONNX file that lead to the name of an operator."""


@dataclass(frozen=True)
class PeerFile:
    """A file of the folder."""

    path: Path
    megabytes: float = 0.0
    """With the files in which it keeps weights."""
    is_quantized: bool = False
    error: str = ''
    """Why it cannot be measured; '' if it may be."""


def peer_files(folder: Path) -> list[PeerFile]:
    """Return the ONNX files of a folder, by name; what is hidden is left out.

    Raises:
        ConfigError: It cannot be read or has none.
    """
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() == ONNX and not path.name.startswith('.')
        )
    except OSError as problem:
        raise ConfigError(
            f'The folder {folder} of --peers cannot be read ({problem.strerror}); expected a '
            'folder with ONNX files.'
        ) from problem
    if not paths:
        raise ConfigError(
            f'The folder {folder} of --peers has no file *{ONNX}; expected networks of one image '
            'each, as torch.onnx.export writes them.'
        )
    return [_read(path) for path in paths]


def _read(path: Path) -> PeerFile:
    """Look into a file; nothing in it is executed."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            fault = f'It has {size} bytes; expected at most {MAX_FILE_BYTES}: leave it out.'
            return PeerFile(path, error=fault)
        content = memoryview(path.read_bytes())
        beside = outside_files(content, path)
        size += sum(file.stat().st_size for file in beside)
        operators = set(_operators(content))
        if not operators:
            raise ValueError('it has no operators')
    except (OSError, ValueError) as problem:
        return PeerFile(
            path,
            error=f'It cannot be read as ONNX ({problem}); expected a file of torch.onnx.export '
            'with its weights in it or beside it: export it again.',
        )
    return PeerFile(path, size / 1e6, any(map(_is_of_integers, operators)))


def _operators(content: memoryview) -> Iterator[str]:
    """Yield the name of each operator of a graph."""
    for number, graph in fields_of(content):
        if number != _GRAPH or graph is None:
            continue
        for kind, node in fields_of(graph):
            if kind == _NODE and node is not None:
                for field, name in fields_of(node):
                    if field == _OPERATOR and name is not None:
                        yield bytes(name).decode()


def _is_of_integers(operator: str) -> bool:
    """Return whether an operator computes with quantized activations.

    DequantizeLinear alone is that of weights which are stored in few bits.
    """
    return 'QuantizeLinear' in operator or operator.startswith('QLinear')


def check_choices(choices: Sequence[EngineChoice], device: str) -> None:
    """Check that peers can be measured in these runtimes.

    Raises:
        ConfigError: A backend runs no foreign ONNX files, or the device is not the CPU.
    """
    for choice in choices:
        if choice.backend not in RUNTIMES:
            raise ConfigError(
                f'--peers is given with backend {choice.backend!r}; expected openvino or '
                'onnx_runtime, which run ONNX files, such as openvino:int8.'
            )
    if device not in ('auto', 'cpu'):
        raise ConfigError(
            f'--peers is given with --device {device}; expected cpu, on which they are measured.'
        )


def measure_peers(
    job: EngineJob, files: Sequence[PeerFile], choices: Sequence[EngineChoice]
) -> Iterator[dict[str, Any]]:
    """Measure every file beside our network, each in a process of its own.

    Files with quantized operators are measured against our quantized network, in the choices with
    int8, and the others against our network in floats, in the others.

    Args:
        job: Images, our model, warm-up and frames.
        files: The other networks.
        choices: Runtimes with their precisions.

    Yields:
        What `peer_run.measure` returns with 'file', 'megabytes', 'size' (H, W) of the images,
        'backend' and 'precision'; or 'error' in place of times. A choice in which our own network
        does not run has one row, without 'file'.
    """
    size = [int(side) for side in job.images.shape[1:3]]
    measured: set[PeerFile] = set()
    for choice in choices:
        facts = {'size': size, 'input_height': job.input_height, **asdict(choice)}
        like = [
            file
            for file in files
            if not file.error and file.is_quantized == (choice.precision == 'int8')
        ]
        # All of them now: those that are not reached, since our own network does not run, are not
        # left out for what they are.
        measured.update(like)
        for file in like:
            row = _beside(job, file, choice)
            if row.pop('is_ours', False):
                yield {**facts, **row}
                break
            yield {**facts, 'file': file.path.name, 'megabytes': round(file.megabytes, 1), **row}
    for file in files:
        if file not in measured:
            yield {'size': size, 'file': file.path.name, 'error': file.error or _left_out(file)}


def _beside(job: EngineJob, file: PeerFile, choice: EngineChoice) -> dict[str, Any]:
    settings = PeerSettings(
        str(job.shown),
        str(file.path.resolve()),
        file_for(job.model, choice),
        choice.backend,
        choice.precision,
        job.warm_up,
        job.frames,
        job.input_height,
    )
    (row,) = run_module('hiseg_ros.benchmark.peer_run', settings, job.scratch, job.timeout_s)
    return row


def _left_out(file: PeerFile) -> str:
    if file.is_quantized:
        return (
            'It is quantized; expected a runtime in int8, so that like is compared with like: add '
            'one to --backend, such as openvino:int8.'
        )
    return (
        'It computes in floats; expected a runtime in floats, so that like is compared with like: '
        'add one to --backend, such as openvino.'
    )
