# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One engine measured in a process of its own, so that its peak memory is its own too.

python -m hiseg_ros.benchmark.engine_run SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.energy import EnergyMeter
from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.errors import HisegError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.types import Wanted

IMAGES = Wanted(probabilities=False)
"""Labels and confidence: what somebody listens to as a rule."""

STAGES = ('preprocess', 'network', 'decision')


@dataclass(frozen=True)
class EngineSettings:
    """What one process measures."""

    pictures: str
    """A .npy file of (N, H, W, 3) uint8."""
    labels: str
    """Gets the labels of those pictures, (N, H, W) uint8."""
    model: str | None
    backend: str
    precision: str
    device: str
    warm_up: int
    frames: int
    cameras: int = 1
    """Images that are at hand together; a frame is one of each."""
    input_height: int = 0
    """Shorter side of the network's input; 0 = the weights' rule."""


def measure(settings: EngineSettings) -> dict[str, Any]:
    """Load, warm up, segment one picture after another, and return what it took.

    Raises:
        HisegError: The engine cannot be made.
    """
    pictures = np.load(settings.pictures)
    started = time.perf_counter()
    engine = Engine(
        settings.model,
        device=settings.device,
        backend=settings.backend,
        precision=settings.precision,
        input_height=settings.input_height,
        image_size=pictures.shape[1:3],
    )
    load_s = time.perf_counter() - started
    np.save(settings.labels, np.stack([engine.segment(picture).labels for picture in pictures]))
    for index in range(settings.warm_up):
        _segment(engine, pictures, index, settings.cameras)
    meter = EnergyMeter(engine.device)
    meter.start()
    stages: dict[str, list[float]] = {name: [] for name in (*STAGES, 'frame')}
    began = time.perf_counter()
    for index in range(settings.frames):
        frame_began = time.perf_counter()
        times = _segment(engine, pictures, index, settings.cameras)
        stages['frame'].append(1e3 * (time.perf_counter() - frame_began))
        for name in STAGES:
            stages[name].append(times[name])
    elapsed = time.perf_counter() - began
    joules = meter.joules()
    return {
        'model': engine.model_path.name,
        'backend': engine.backend,
        'precision': engine.precision,
        'device': engine.device,
        'frames': settings.frames,
        'load_s': round(load_s, 2),
        'images_per_s': round(settings.frames * settings.cameras / elapsed, 2),
        'stages_ms': {name: vars(Spread.of(values)) for name, values in stages.items()},
        'decision_share': round(sum(stages['decision']) / sum(stages['frame']), 3),
        'host_peak_mib': round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        'device_peak_mib': _device_peak_mib(engine.device),
        'joules_per_frame': None if joules is None else round(joules / settings.frames, 3),
    }


def _segment(
    engine: Engine, pictures: NDArray[np.uint8], index: int, cameras: int
) -> dict[str, float]:
    """Segment one image of each camera; return the milliseconds of each stage, all together."""
    rgbs = [pictures[(index + camera) % len(pictures)] for camera in range(cameras)]
    if cameras == 1:
        return dict(engine.segment(rgbs[0], IMAGES).timings_ms)
    results = [found for _, found in engine.segment_batch(rgbs, [IMAGES] * cameras)]
    return {name: sum(result.timings_ms[name] for result in results) for name in STAGES}


def _device_peak_mib(device: str) -> int | None:
    if not device.startswith('cuda') or 'torch' not in sys.modules:
        return None
    import torch

    return round(torch.cuda.max_memory_reserved(device) / 2**20)


def main(arguments: list[str]) -> int:
    """Measure, and write the figures or why there are none."""
    source, target = map(Path, arguments)
    try:
        result = measure(EngineSettings(**json.loads(source.read_text())))
    except HisegError as problem:
        result = {'error': str(problem)}
    target.write_text(json.dumps(result))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
