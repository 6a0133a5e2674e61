# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All measurements of a machine in one call: engines, their lower limit, and the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.arithmetic import ArithmeticSettings, add_limit
from hiseg_ros.benchmark.engines import (
    EngineChoice,
    EngineJob,
    Reference,
    find_reference,
    measure_engines,
    run_module,
)
from hiseg_ros.benchmark.untrained import UntrainedSettings
from hiseg_ros.errors import HisegError
from hiseg_ros.resources import DEFAULT_MODEL, default_model
from hiseg_ros.types import ImageSize

CHOICES = ','.join(
    f'{backend}:{precision}'
    for precision in ('bfloat16', 'float16', 'float32')
    for backend in ('cuda_graph', 'compile', 'eager')
)
"""The likely fastest first: results so far are kept if the call is interrupted."""

SIZES = '512x1024,1024x2048'
CAMERAS = '1,4'
EXPERIMENT = 'iv2018'
"""ResNet-50 with stride 8, the network of the paper."""

GRAPH = 'auto:auto,cuda_graph:bfloat16'
"""Backends of the node; fewer than those of engines, since each takes minutes."""

TIMEOUT_S = 400.0
"""Timeout for one backend at one size; compiling takes a minute or two."""

Rows = list[dict[str, Any]]

MeasureNode = Callable[[EngineJob, Reference, EngineChoice, int], Rows]
"""Called with images and model of a job, the reference labels, a backend and the number of
cameras; returns rows of the node in a ROS graph."""


@dataclass(frozen=True)
class EverythingPlan:
    """What to measure."""

    sizes: Sequence[ImageSize]
    """(H, W) of the images."""
    choices: Sequence[EngineChoice]
    """Backends of the engines."""
    node_choices: Sequence[EngineChoice]
    """Backends of the node, which runs at the first of the sizes."""
    cameras: Sequence[int]
    device: str
    frames: int
    warm_up: int
    experiment: str
    """Experiment whose untrained network is measured beside the shipped one."""


def measure_everything(
    plan: EverythingPlan,
    scratch: Path,
    draw: Callable[[ImageSize], NDArray[np.uint8]],
    measure_node: MeasureNode,
    keep: Callable[[dict[str, Rows]], None],
) -> dict[str, Rows]:
    """Measure everything; what cannot be measured becomes a row with 'error'.

    Args:
        plan: What to measure.
        scratch: Folder for temporary files.
        draw: Called with a size (H, W); returns (N, H, W, 3) uint8 images.
        measure_node: See `MeasureNode`.
        keep: Called with all rows so far after each measurement.

    Returns:
        'engines', 'graph' and 'arithmetic', rows each.
    """
    found: dict[str, Rows] = {'engines': [], 'graph': [], 'arithmetic': []}
    models = _models(plan, scratch, found['arithmetic'])
    weights = [str(model or default_model()) for model in models.values()]
    found['arithmetic'] += run_module(
        'hiseg_ros.benchmark.arithmetic',
        ArithmeticSettings(weights, plan.sizes, plan.device),
        scratch,
        TIMEOUT_S,
    )
    shown: dict[str, tuple[EngineJob, Reference]] = {}
    for size in plan.sizes:
        images = draw(size)
        for name, model in models.items():
            folder = Path(mkdtemp(dir=scratch))
            job = EngineJob(
                images,
                folder,
                model,
                plan.device,
                plan.frames,
                plan.warm_up,
                plan.cameras,
                timeout_s=TIMEOUT_S,
            )
            reference = find_reference(job, plan.choices)
            shown.setdefault(name, (job, reference))
            for row in measure_engines(job, plan.choices, reference):
                add_limit(row, *_limit(found['arithmetic'], model or default_model(), size))
                found['engines'].append({'network': name, **row})
                keep(found)
    for name, (job, reference) in shown.items():
        for choice in plan.node_choices:
            for cameras in plan.cameras:
                try:
                    rows = measure_node(job, reference, choice, cameras)
                except HisegError as problem:
                    rows = [
                        {
                            'size': list(plan.sizes[0]),
                            'cameras': cameras,
                            **asdict(choice),
                            'error': str(problem),
                        }
                    ]
                found['graph'] += [{'network': name, **row} for row in rows]
                keep(found)
    return found


def _models(plan: EverythingPlan, scratch: Path, arithmetic: Rows) -> dict[str, Path | None]:
    """Return the weights files by name, the large network first; None for the shipped ones."""
    settings = UntrainedSettings(plan.experiment, str(scratch))
    (row,) = run_module('hiseg_ros.benchmark.untrained', settings, scratch, TIMEOUT_S)
    shipped: dict[str, Path | None] = {DEFAULT_MODEL: None}
    if 'error' in row:
        arithmetic.append({'model': plan.experiment, **row})
        return shipped
    model = Path(row['model'])
    return {f'{model.stem}, untrained': model} | shipped


def _limit(arithmetic: Rows, model: Path, size: ImageSize) -> tuple[float | None, float | None]:
    """Return the GFLOP of a network at a size and the TFLOP/s of the device, None if unknown."""
    gflop = next(
        (
            row['gflop']
            for row in arithmetic
            if 'gflop' in row and row['model'] == model.name and row['size'] == list(size)
        ),
        None,
    )
    tflops = next((row['peak_tflops'] for row in arithmetic if 'peak_tflops' in row), None)
    return gflop, tflops
