# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Engines measured one after another, each beside the reference's labels on the same pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.engine_run import EngineSettings
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize

REFERENCE = 'eager'
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class EngineChoice:
    """What is to be measured at one size."""

    backend: str
    precision: str

    @staticmethod
    def parse(text: str) -> EngineChoice:
        """Return the choice that 'BACKEND' or 'BACKEND:PRECISION' means; float32 by default."""
        backend, _, precision = text.partition(':')
        return EngineChoice(backend, precision or 'float32')


def measure_engines(
    size: ImageSize,
    pictures: NDArray[np.uint8],
    choices: Sequence[EngineChoice],
    scratch: Path,
    *,
    model: Path | None,
    device: str,
    frames: int,
    warm_up: int,
    cameras: int = 1,
    input_height: int = 0,
) -> list[dict[str, Any]]:
    """Measure every choice at one size, in a process each.

    Args:
        size: (H, W) of the pictures.
        pictures: (N, H, W, 3) uint8.
        choices: Back-ends with their precisions.
        scratch: Folder for what the processes exchange.
        model: Weights or exported network; None for the shipped ones. A back-end that runs the
            other kind takes the file of the same name and the other suffix, int8 NAME_int8.onnx.
        device: As everywhere.
        frames: Number of frames that are timed.
        warm_up: Number of frames before.
        cameras: Images that are at hand together; a frame is one of each.
        input_height: Shorter side of the network's input, except the reference's; 0 = the
            weights' rule.

    Returns:
        A row each: the figures of `engine_run.measure` with size and
        'labels_equal_to_reference', the share of pixels in [0, 1] or None without reference; or
        'error' for a choice that this machine cannot run.
    """
    np.save(scratch / 'pictures.npy', pictures)
    settings = EngineSettings(
        str(scratch / 'pictures.npy'), str(scratch / 'labels.npy'), None, REFERENCE, 'float32',
        device, warm_up=0, frames=1,
    )
    labels = scratch / 'reference.npy'
    weights = _file_for(model, REFERENCE, 'float32')
    reference = run(replace(settings, labels=str(labels), model=weights), scratch)
    rows = []
    for choice in choices:
        row = run(
            replace(
                settings, model=_file_for(model, choice.backend, choice.precision),
                backend=choice.backend, precision=choice.precision, warm_up=warm_up,
                frames=frames, cameras=cameras, input_height=input_height,
            ),
            scratch,
        )
        row = {**asdict(choice), 'size': list(size), 'cameras': cameras,
               'input_height': input_height, **row}
        if 'error' not in row:
            row['labels_equal_to_reference'] = None
            if 'error' not in reference:
                equal = np.load(labels) == np.load(scratch / 'labels.npy')
                row['labels_equal_to_reference'] = round(float(equal.mean()), 5)
        rows.append(row)
    return rows


def run(settings: EngineSettings, scratch: Path) -> dict[str, Any]:
    """Measure in a process of its own.

    Raises:
        ConfigError: The process died.
    """
    source, target = scratch / 'settings.json', scratch / 'result.json'
    source.write_text(json.dumps(asdict(settings)))
    target.unlink(missing_ok=True)
    command = [sys.executable, '-m', 'hiseg_ros.benchmark.engine_run', str(source), str(target)]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, env=dict(os.environ)
        )
    except subprocess.TimeoutExpired as problem:
        raise ConfigError(
            f'Back-end {settings.backend!r} did not end within {TIMEOUT_S:.0f} s; expected it '
            'to: measure fewer frames or a smaller size.'
        ) from problem
    if not target.is_file():
        said = process.stderr.strip().splitlines()
        raise ConfigError(
            f'The process that measured back-end {settings.backend!r} ended with '
            f'{process.returncode} ({said[-1] if said else "nothing was said"}); expected figures.'
        )
    result: dict[str, Any] = json.loads(target.read_text())
    return result


def _file_for(model: Path | None, backend: str, precision: str) -> str | None:
    """Return the file of a model that a back-end runs in a precision."""
    from hiseg_ros.inference.choice import BACKENDS, INT8_FILE

    if model is None or not model.name or backend not in BACKENDS:
        return None if model is None else str(model)
    stem = model.name.removesuffix(INT8_FILE) if model.name.endswith(INT8_FILE) else model.stem
    beside = model.with_name(stem + (INT8_FILE if precision == 'int8' else BACKENDS[backend][0]))
    return str(beside if beside.is_file() else model)
