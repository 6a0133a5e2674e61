# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measures one engine in a process of its own, so that its peak memory can be measured too.

python -m hiseg_ros.benchmark.engine_run SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.energy import EnergyMeter
from hiseg_ros.benchmark.machine import peak_mib
from hiseg_ros.benchmark.nvml import Gpu
from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.errors import HisegError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.model_file import SAFETENSORS
from hiseg_ros.types import Wanted

IMAGES = Wanted(probabilities=False)
"""Labels and confidence, the outputs that are usually subscribed to."""

STAGES = ('preprocess', 'network', 'decision')


@dataclass(frozen=True)
class EngineSettings:
    """Settings of the process."""

    images: str
    """A .npy file of (N, H, W, 3) uint8."""
    labels: str
    """A .npy file to write, with the labels of those images, (N, H, W) uint8."""
    model: str | None
    backend: str
    precision: str
    device: str
    warm_up: int
    frames: int
    cameras: Sequence[int] = (1,)
    """Numbers of images that arrive together, measured in turn in ascending order, since peaks of
    memory are those so far."""
    input_height: int = 0
    """Shorter side of the network's input; 0 = the weights' rule."""


def measure(settings: EngineSettings) -> list[dict[str, Any]]:
    """Load the engine, warm it up, segment images one after another, and measure.

    Returns:
        A row of metrics for each number of cameras.

    Raises:
        HisegError: The engine cannot be created, or fails.
    """
    images = np.load(settings.images)
    started = time.perf_counter()
    engine = Engine(
        settings.model,
        device=settings.device,
        backend=settings.backend,
        precision=settings.precision,
        input_height=settings.input_height,
        image_size=images.shape[1:3],
    )
    load_s = time.perf_counter() - started
    np.save(settings.labels, np.stack([engine.segment(image).labels for image in images]))
    facts = {
        'model': engine.model_path.name,
        'backend': engine.backend,
        'precision': engine.precision,
        'device': engine.device,
        'load_s': round(load_s, 2),
    }
    return [{**facts, **_measured(engine, images, settings, n)} for n in settings.cameras]


def _measured(
    engine: Engine, images: NDArray[np.uint8], settings: EngineSettings, cameras: int
) -> dict[str, Any]:
    """Return the metrics for one number of cameras."""
    for index in range(settings.warm_up):
        _segment(engine, images, index, cameras)
    meter = EnergyMeter(engine.device)
    meter.start()
    stages: dict[str, list[float]] = {name: [] for name in (*STAGES, 'frame')}
    began = time.perf_counter()
    for index in range(settings.frames):
        frame_began = time.perf_counter()
        times = _segment(engine, images, index, cameras)
        stages['frame'].append(1e3 * (time.perf_counter() - frame_began))
        for name in STAGES:
            stages[name].append(times[name])
    elapsed = time.perf_counter() - began
    joules = meter.joules()
    return {
        'cameras': cameras,
        'batched': _is_batched(engine, cameras),
        'frames': settings.frames,
        'images_per_s': round(settings.frames * cameras / elapsed, 2),
        'stages_ms': {name: vars(Spread.of(values)) for name, values in stages.items()},
        'decision_share': round(sum(stages['decision']) / sum(stages['frame']), 3),
        'host_peak_mib': peak_mib(),
        **_device_memory(engine),
        'joules_per_frame': None if joules is None else round(joules / settings.frames, 3),
    }


def _is_batched(engine: Engine, cameras: int) -> bool:
    """Return whether images that arrive together run as a batch, as in the node."""
    return cameras > 1 and engine.batch_pays


def _segment(
    engine: Engine, images: NDArray[np.uint8], index: int, cameras: int
) -> dict[str, float]:
    """Segment one image of each camera; return the total time of each stage in ms."""
    rgbs = [images[(index + camera) % len(images)] for camera in range(cameras)]
    if not _is_batched(engine, cameras):
        results = [engine.segment(rgb, IMAGES) for rgb in rgbs]
    else:
        results = [found for _, found in engine.segment_batch(rgbs, [IMAGES] * cameras)]
    times = {name: [result.timings_ms[name] for result in results] for name in STAGES}
    # Each image of a batch has the network time of the whole batch.
    network = max if _is_batched(engine, cameras) else sum
    return {name: (network if name == 'network' else sum)(times[name]) for name in STAGES}


def _device_memory(engine: Engine) -> dict[str, Any]:
    """Return 'device_peak_mib'; None on the CPU, and None with a reason if it cannot be read."""
    if not engine.device.startswith('cuda'):
        return {'device_peak_mib': None}
    if 'torch' in sys.modules and engine.model_path.suffix == SAFETENSORS:
        import torch

        return {'device_peak_mib': round(torch.cuda.max_memory_reserved(engine.device) / 2**20)}
    # ONNX Runtime keeps the memory it allocated, so what is used now is the peak.
    gpu = Gpu(engine.device)
    used = gpu.process_mib()
    if used is not None:
        return {'device_peak_mib': used}
    reason = gpu.reason or 'NVML does not know this process by its id'
    return {'device_peak_mib': None, 'device_peak_reason': reason}


def main(arguments: list[str]) -> int:
    """Measure, and write the rows, or one with 'error'."""
    source, target = map(Path, arguments)
    try:
        result = measure(EngineSettings(**json.loads(source.read_text())))
    except HisegError as problem:
        result = [{'error': str(problem)}]
    target.write_text(json.dumps(result))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
