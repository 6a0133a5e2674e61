# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What networks cost: parameters, arithmetic, and time of their exported files side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from hiseg_ros.benchmark.arithmetic import network_gflop
from hiseg_ros.classical.engine import ClassicalEngine
from hiseg_ros.classical.image import resized
from hiseg_ros.errors import ConfigError
from hiseg_ros.export.export import export_network
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.open_model import open_backend
from hiseg_ros.interfaces import Backend
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.postprocessing.crf import DenseCrf
from hiseg_ros.types import ImageSize, RgbImage

SIZE: ImageSize = (360, 480)
"""(H, W) of the camera image."""

ROUNDS = 15
"""Rounds in which every network runs once; the median counts."""

WARM_UP = 2

SLOW_ROUNDS = 3
"""Rounds of what takes a second."""


@dataclass(frozen=True)
class Cost:
    """Cost of one network or method for an image of 360x480 pixels."""

    parameters: int
    gmac: float | None
    """Multiplications with their additions, in 10^9; None for a classical method."""
    milliseconds: float | None
    """Time of the exported network on one core; None where it cannot be exported. Of a classical
    method, and of a CRF after a network, everything up to the labels."""


def network_costs(weights: Mapping[str, Path], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Export networks and measure them in turn, so that what slows a machine slows all alike.

    Args:
        weights: Weights file by name. The exported file is written beside it.
        rounds: Measurements of each network.

    Raises:
        HisegError: A file cannot be used.
    """
    backends: dict[str, Backend] = {}
    counted: dict[str, tuple[int, float]] = {}
    for name, path in weights.items():
        checkpoint = load_checkpoint(path)
        parameters = sum(p.numel() for p in checkpoint.build().parameters())
        counted[name] = (parameters, network_gflop(path, SIZE) / 2)
        exported = path.with_suffix('.onnx')
        try:
            export_network(checkpoint, exported)
        except ConfigError:
            continue  # refused by name: a cell of the table without a time
        with _one_thread():
            backends[name], _, _ = open_backend(
                exported, backend='auto', device='cpu', precision='float32', input_height=0
            )
    times = _times(backends, rounds)
    for backend in backends.values():
        backend.close()
    return {
        name: Cost(*counts, times[name] if name in times else None)
        for name, counts in counted.items()
    }


def _times(backends: Mapping[str, Backend], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each backend, measured in turn."""
    rgb = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in backends}
    for number in range(WARM_UP + rounds):
        for name, backend in backends.items():
            images = backend.prepare(rgb)
            began = time.perf_counter()
            backend.node_probabilities(images)
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: 1e3 * median(values) for name, values in seconds.items()}


def classical_costs(files: Mapping[str, Path], rgb: RgbImage) -> dict[str, Cost]:
    """Measure classical methods in turn on one core.

    Args:
        files: File of each method by name.
        rgb: Image to segment, since their time depends on what it shows; brought to `SIZE`.
    """
    image = resized(rgb, SIZE)
    engines = {name: ClassicalEngine(path) for name, path in files.items()}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(1 + SLOW_ROUNDS):
        for name, engine in engines.items():
            with _one_core():
                began = time.perf_counter()
                engine.segment(image)
                took = time.perf_counter() - began
            if number:
                seconds[name].append(took)
    return {
        name: Cost(engine.parameters, None, 1e3 * median(seconds[name]))
        for name, engine in engines.items()
    }


def with_crf(cost: Cost, weights: Path, rgb: RgbImage) -> Cost:
    """Return the cost of a network with a dense CRF after it, measured on an image."""
    if cost.milliseconds is None:
        return cost
    image = resized(rgb, SIZE)
    engine = Engine(weights)
    crf, segmentation = DenseCrf(engine.taxonomy), engine.segment(image)
    with _one_core():
        times = [crf.refine(image, segmentation).timings_ms['crf'] for _ in range(SLOW_ROUNDS)]
    engine.close()
    return replace(cost, milliseconds=cost.milliseconds + median(times))


@contextmanager
def _one_core() -> Iterator[None]:
    """Let OpenCV and the decision use one thread within."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with _one_thread():
            yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let backends that are opened within use one thread."""
    before = os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ['OMP_NUM_THREADS']
        else:
            os.environ['OMP_NUM_THREADS'] = before
