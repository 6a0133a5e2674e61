# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measures engines one after another, and compares their labels with those of the reference."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.engine_run import EngineSettings

TIMEOUT_S = 1800.0
"""Timeout for one backend at one size."""


@dataclass(frozen=True)
class EngineChoice:
    """A backend in a precision."""

    backend: str
    precision: str

    @staticmethod
    def parse(text: str) -> EngineChoice:
        """Return the choice for 'BACKEND:PRECISION' or 'BACKEND', which is in float32."""
        backend, _, precision = text.partition(':')
        return EngineChoice(backend, precision or 'float32')


REFERENCES = tuple(
    EngineChoice(backend, 'float32') for backend in ('eager', 'onnx_runtime', 'openvino')
)
"""The first of these that runs here is the reference for the labels."""


def unlimited() -> float:
    """Return the time that is left where there is no limit."""
    return math.inf


@dataclass(frozen=True)
class EngineJob:
    """Settings that all choices of a measurement share."""

    images: NDArray[np.uint8]
    """(N, H, W, 3)."""
    scratch: Path
    """Folder for files that the processes exchange."""
    model: Path | None = None
    """Weights or exported network; None for the shipped ones. A backend for the other kind runs
    the file with the same name and the other suffix, in int8 NAME_int8.onnx."""
    device: str = 'auto'
    frames: int = 1
    """Number of frames that are timed."""
    warm_up: int = 0
    """Number of frames before the timed ones."""
    cameras: Sequence[int] = (1,)
    """Numbers of images that arrive together, each measured; a frame is one image per camera."""
    input_height: int = 0
    """Shorter side of the network's input; 0 = the weights' rule, as always for the reference."""
    timeout_s: float = TIMEOUT_S
    left_s: Callable[[], float] = unlimited
    """Returns the seconds that are left for all measurements; none takes longer."""

    @property
    def shown(self) -> Path:
        """File with the images, once one choice was measured."""
        return self.scratch / 'images.npy'

    @property
    def time_s(self) -> float:
        """Seconds that a measurement may take now."""
        return max(0.0, min(self.timeout_s, self.left_s()))

    def run(self, choice: EngineChoice, labels: Path) -> list[dict[str, Any]]:
        """Measure a choice in a process of its own.

        Args:
            choice: Backend and precision.
            labels: A .npy file to write, with the labels of the images.

        Returns:
            Rows of `engine_run.measure`, or one with 'error'.
        """
        np.save(self.shown, self.images)
        settings = EngineSettings(
            str(self.shown),
            str(labels),
            file_for(self.model, choice),
            choice.backend,
            choice.precision,
            self.device,
            self.warm_up,
            self.frames,
            sorted(self.cameras),
            self.input_height,
        )
        rows = run_module('hiseg_ros.benchmark.engine_run', settings, self.scratch, self.time_s)
        return [{'cameras': min(self.cameras), **row} for row in rows]


@dataclass(frozen=True)
class Reference:
    """Labels with which those of the choices are compared."""

    name: str | None
    """Backend and precision, such as 'eager float32'; None if no backend runs the model."""
    labels: Path
    """A .npy file of (N, H, W) uint8."""
    measured: Mapping[EngineChoice, list[dict[str, Any]]]
    """Rows of choices that were measured meanwhile."""


def find_reference(job: EngineJob, choices: Sequence[EngineChoice] = ()) -> Reference:
    """Label the images in float32, with torch or the first other runtime that is installed.

    Args:
        job: Images, model and device.
        choices: Choices that will be measured; one of them need not run twice.
    """
    measured: dict[EngineChoice, list[dict[str, Any]]] = {}
    labels = job.scratch / 'reference.npy'
    for choice in REFERENCES:
        if choice in choices and not job.input_height:
            rows = measured[choice] = job.run(choice, labels)
        else:
            once = replace(job, frames=1, warm_up=0, cameras=(1,), input_height=0)
            rows = once.run(choice, labels)
        if 'error' not in rows[0]:
            return Reference(f'{choice.backend} {choice.precision}', labels, measured)
    return Reference(None, labels, measured)


def measure_engines(
    job: EngineJob, choices: Sequence[EngineChoice], reference: Reference
) -> Iterator[dict[str, Any]]:
    """Measure every choice at one size, each in a process of its own.

    Args:
        job: Settings that they share.
        choices: Backends with their precisions.
        reference: Reference of the same job and choices.

    Yields:
        The metrics of `engine_run.measure` with 'size', 'reference' (its name) and
        'labels_equal_to_reference', the share of pixels in [0, 1], both None without a reference;
        or 'error' for a choice that does not run on this machine.
    """
    labels = job.scratch / 'labels.npy'
    for choice in choices:
        for row in reference.measured.get(choice) or job.run(choice, labels):
            row = {
                **asdict(choice),
                'size': list(job.images.shape[1:3]),
                'input_height': job.input_height,
                'reference': reference.name,
                **row,
            }
            if 'error' not in row:
                row['labels_equal_to_reference'] = None
                if reference.name:
                    found = reference.labels if choice in reference.measured else labels
                    equal = np.load(reference.labels) == np.load(found)
                    row['labels_equal_to_reference'] = round(float(equal.mean()), 5)
            yield row


def run_module(
    module: str, settings: Any, scratch: Path, timeout_s: float
) -> list[dict[str, Any]]:
    """Run `python -m MODULE SETTINGS.json RESULT.json`.

    Args:
        module: Name of the module.
        settings: A dataclass that can be written as JSON.
        scratch: Folder for the files.
        timeout_s: Time after which the process is killed.

    Returns:
        The rows that it wrote, or one with 'error' if it wrote none.
    """
    source, target = scratch / 'settings.json', scratch / 'result.json'
    source.write_text(json.dumps(asdict(settings)))
    target.unlink(missing_ok=True)
    command = [sys.executable, '-m', module, str(source), str(target)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return [
            {
                'error': f'It did not finish within {timeout_s:.0f} s; expected it to: measure '
                'fewer frames or a smaller size.'
            }
        ]
    if not target.is_file():
        said = process.stderr.strip().splitlines()
        return [
            {
                'error': f'Its process ended with {process.returncode} '
                f'({said[-1] if said else "no error message"}); expected results.'
            }
        ]
    rows: list[dict[str, Any]] = json.loads(target.read_text())
    return rows


def file_for(model: Path | None, choice: EngineChoice) -> str | None:
    """Return the file of a model for a choice; None for the shipped one."""
    from hiseg_ros.inference.open_model import BACKENDS, INT8_FILE

    if model is None or not model.name or choice.backend not in BACKENDS:
        return None if model is None else str(model)
    stem = model.name.removesuffix(INT8_FILE) if model.name.endswith(INT8_FILE) else model.stem
    beside = model.with_name(
        stem + (INT8_FILE if choice.precision == 'int8' else BACKENDS[choice.backend][0])
    )
    return str(beside if beside.is_file() else model)
