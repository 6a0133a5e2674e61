# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All measurements of a machine in one call: engines, their lower limit, and the node."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
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

MINUTES = 10.0
"""Time for everything."""

RESERVE_S = 15.0
"""Of that time, for the start of the command and for processes to end, so that the whole command
takes no longer."""

LEAST_S = 10.0
"""Nothing begins with less time left: loading the libraries alone takes that long."""

NOT_REACHED = 'not reached in {:g} minutes; expected a larger --minutes for it'

Rows = list[dict[str, Any]]

MeasureNode = Callable[[EngineJob, Reference, EngineChoice, int], Rows]
"""Called with images and model of a job, the reference labels, a backend and the number of
cameras; returns rows of the node in a ROS graph."""


@dataclass(frozen=True)
class EverythingPlan:
    """What to measure."""

    sizes: Sequence[ImageSize]
    """(H, W) of the images, the one that matters most first."""
    choices: Sequence[EngineChoice]
    """Backends of the engines, the likely fastest first."""
    node_choices: Sequence[EngineChoice]
    """Backends of the node, which runs at the first of the sizes."""
    cameras: Sequence[int]
    device: str
    frames: int
    warm_up: int
    experiment: str
    """Experiment whose untrained network is measured beside the shipped one."""
    minutes: float = MINUTES
    """Time for everything; 0 for as long as it takes."""


@dataclass(frozen=True)
class Step:
    """One measurement."""

    kind: str
    """'engines' or 'graph', the rows that it adds to."""
    size: ImageSize
    network: str
    choice: EngineChoice
    cameras: int
    """Number of cameras of the node; of an engine the smallest, all are measured in one step."""


def steps(plan: EverythingPlan, networks: Sequence[str]) -> list[Step]:
    """Return what to measure, what matters most first.

    That is the likely fastest engine at the first size, then the node, then the next engine; then
    the node with other backends and more cameras, the other engines, and the other sizes.
    """

    def engines(sizes: Sequence[ImageSize], choices: Sequence[EngineChoice]) -> list[Step]:
        least = min(plan.cameras)
        found = product(sizes, networks, choices)
        return [Step('engines', size, name, choice, least) for size, name, choice in found]

    first = plan.sizes[:1]
    runs = list(product(plan.node_choices, plan.cameras))
    node = [
        [Step('graph', plan.sizes[0], name, *run) for name, run in product(networks, part)]
        for part in (runs[:1], runs[1:])
    ]
    return [
        *engines(first, plan.choices[:1]),
        *node[0],
        *engines(first, plan.choices[1:2]),
        *node[1],
        *engines(first, plan.choices[2:]),
        *engines(plan.sizes[1:], plan.choices),
    ]


def measure_everything(
    plan: EverythingPlan,
    scratch: Path,
    draw: Callable[[ImageSize], NDArray[np.uint8]],
    measure_node: MeasureNode,
    keep: Callable[[str, dict[str, Rows]], None],
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Rows]:
    """Measure what there is time for; all else becomes a row with 'error'.

    Args:
        plan: What to measure.
        scratch: Folder for temporary files.
        draw: Called with a size (H, W); returns (N, H, W, 3) uint8 images.
        measure_node: See `MeasureNode`.
        keep: Called after each measurement with the kind of its rows and with all rows so far.
        now: A steady clock in seconds.

    Returns:
        'engines', 'graph' and 'arithmetic', rows each.
    """
    end_s = now() + 60 * plan.minutes - RESERVE_S if plan.minutes else math.inf

    def left_s() -> float:
        return end_s - now()

    found: dict[str, Rows] = {'engines': [], 'graph': [], 'arithmetic': []}
    models = _models(plan, scratch, found['arithmetic'], left_s)
    weights = [str(model or default_model()) for model in models.values()]
    found['arithmetic'] += run_module(
        'hiseg_ros.benchmark.arithmetic',
        ArithmeticSettings(weights, plan.sizes, plan.device),
        scratch,
        max(0.0, min(TIMEOUT_S, left_s())),
    )
    images = lru_cache(1)(draw)
    jobs: dict[tuple[ImageSize, str], tuple[EngineJob, Reference]] = {}

    def prepare(size: ImageSize, name: str) -> None:
        job = EngineJob(
            images(size),
            Path(mkdtemp(dir=scratch)),
            models[name],
            plan.device,
            plan.frames,
            plan.warm_up,
            plan.cameras,
            timeout_s=TIMEOUT_S,
            left_s=left_s,
        )
        jobs[size, name] = job, find_reference(job, plan.choices)

    def measured(step: Step) -> Rows:
        key = (step.size, step.network)
        if key not in jobs and left_s() >= LEAST_S:
            prepare(*key)
        is_known = step.kind == 'engines' and key in jobs and step.choice in jobs[key][1].measured
        if left_s() < LEAST_S and not is_known:
            return [_without(step, NOT_REACHED.format(plan.minutes))]
        job, reference = jobs[key]
        if step.kind == 'engines':
            return list(measure_engines(job, [step.choice], reference))
        try:
            return measure_node(job, reference, step.choice, step.cameras)
        except HisegError as problem:
            return [_without(step, str(problem))]

    for step in steps(plan, list(models)):
        rows = measured(step)
        if step.kind == 'engines':
            model = models[step.network] or default_model()
            for row in rows:
                add_limit(row, *_limit(found['arithmetic'], model, step.size))
        found[step.kind] += [{'network': step.network, **row} for row in rows]
        keep(step.kind, found)
    return found


def _without(step: Step, reason: str) -> dict[str, Any]:
    """Return the row of a step that has no figures."""
    size, choice = list(step.size), asdict(step.choice)
    return {'size': size, 'cameras': step.cameras, **choice, 'error': reason}


def _models(
    plan: EverythingPlan, scratch: Path, arithmetic: Rows, left_s: Callable[[], float]
) -> dict[str, Path | None]:
    """Return the weights files by name, the large network first; None for the shipped ones."""
    settings = UntrainedSettings(plan.experiment, str(scratch))
    timeout_s = max(0.0, min(TIMEOUT_S, left_s()))
    (row,) = run_module('hiseg_ros.benchmark.untrained', settings, scratch, timeout_s)
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
