# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The measurements of `hiseg benchmark`: engines, the node, its parts, other networks, or all."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.benchmark.engines import (
    EngineChoice,
    EngineJob,
    Reference,
    file_for,
    find_reference,
    measure_engines,
)
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize

IMAGES = 3
PREFIX = 'hiseg_benchmark_'

Rows = list[dict[str, Any]]


def drawn(size: ImageSize) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) uint8 streets of a size."""
    from hiseg_ros.datasets.scenes import draw_scene

    return np.stack([draw_scene(seed, size).rgb for seed in range(IMAGES)])


def choices_of(text: str) -> list[EngineChoice]:
    """Return the backends and precisions of --backend."""
    return [EngineChoice.parse(part) for part in text.split(',')]


def engines(options: argparse.Namespace) -> Rows:
    """Return a row for every size, backend and number of cameras."""
    rows: Rows = []
    with TemporaryDirectory(prefix=PREFIX) as scratch:
        for size in options.sizes:
            job = EngineJob(
                drawn(size),
                Path(scratch),
                options.model,
                options.device,
                options.frames,
                options.warm_up,
                options.camera_counts,
                options.input_height,
            )
            choices = choices_of(options.backend)
            rows += measure_engines(job, choices, find_reference(job, choices))
        if options.dataset:
            for row in rows:
                if 'error' not in row:
                    row['miou'] = _miou(options, row, Path(scratch) / 'scores.json')
    return rows


def _miou(options: argparse.Namespace, row: dict[str, Any], target: Path) -> float:
    """Return the mIoU of a row's engine, measured by `hiseg evaluate`."""
    command = [sys.executable, '-m', 'hiseg_ros.cli', 'evaluate', '--dataset', options.dataset]
    command += ['--root', str(options.root), '--limit', str(options.limit)]
    command += ['--backend', row['backend'], '--precision', row['precision']]
    command += ['--device', row['device'], '--json', str(target)]
    command += ['--input-height', str(row['input_height'])]
    if options.model:
        command += ['--model', str(options.model.with_name(row['model']))]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise ConfigError(process.stderr.strip().splitlines()[-1].partition(': ')[2])
    return float(json.loads(target.read_text())['summed']['miou'])


def node(options: argparse.Namespace) -> Rows:
    """Return a row for every rate of the node in a ROS graph.

    Raises:
        ConfigError: ROS or the messages are missing, or the node cannot be configured.
    """
    rows: Rows = []
    for size in options.sizes:
        with TemporaryDirectory(prefix=PREFIX) as scratch:
            job = EngineJob(drawn(size), Path(scratch), options.model, options.device)
            reference = find_reference(job)
            for choice in choices_of(options.backend):
                for cameras in options.camera_counts:
                    rows += _node(options, job, reference, choice, cameras)
    return rows


def _node(
    options: argparse.Namespace,
    job: EngineJob,
    reference: Reference,
    choice: EngineChoice,
    cameras: int,
) -> Rows:
    try:
        from hiseg_ros.ros.benchmark.run import GraphPlan, measure
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f'Python has no module {problem.name}; expected ROS 2 and the built messages: source '
            'the ROS installation and the install folder, or run `make setup`.'
        ) from problem
    height, width = job.images.shape[1:3]
    plan = GraphPlan(
        size=(height, width),
        backend=choice.backend,
        precision=choice.precision,
        model=str(job.model or ''),
        device=options.device,
        seconds=options.seconds,
        input_height=options.input_height,
        parameters=options.parameter,
        results=options.results.split(','),
        cameras=cameras,
        images=str(job.shown),
        rates=tuple(float(rate) for rate in options.rates.split(',')),
        reference=str(reference.labels) if reference.name else '',
        left_s=job.left_s(),
    )
    return [{**row, 'reference': reference.name} for row in measure(plan)]


def profiles(options: argparse.Namespace) -> Rows:
    """Return the time of each kind of layer, by network and size.

    Raises:
        ConfigError: A backend is not OpenVINO.
    """
    from hiseg_ros.benchmark.layer_times import layer_times

    return [
        layer_times(
            path,
            precision,
            drawn(size)[0],
            frames=options.frames,
            warm_up=options.warm_up,
            input_height=options.input_height,
        )
        for size, path, precision in _in_openvino(options, '--profile')
    ]


def subtrees(options: argparse.Namespace) -> Rows:
    """Return what more classes cost, by network and size.

    Raises:
        ConfigError: A backend is not OpenVINO, or a network has no classifiers of its own.
    """
    from hiseg_ros.benchmark.subtree import subtree_cost

    return [
        subtree_cost(
            path,
            precision,
            drawn(size),
            leaves=options.subtree,
            frames=options.frames,
            warm_up=options.warm_up,
            input_height=options.input_height,
        )
        for size, path, precision in _in_openvino(options, '--subtree')
    ]


def _in_openvino(
    options: argparse.Namespace, option: str
) -> Iterator[tuple[ImageSize, Path | None, str]]:
    """Yield size, file and precision of each measurement in OpenVINO.

    Raises:
        ConfigError: A backend is another one.
    """
    for size in options.sizes:
        for choice in choices_of(options.backend):
            if choice.backend != 'openvino':
                raise ConfigError(
                    f'{option} is given with backend {choice.backend!r}; expected openvino, '
                    'such as openvino:int8.'
                )
            path = file_for(options.model, choice)
            yield size, Path(path) if path else None, choice.precision


def peers(options: argparse.Namespace) -> Rows:
    """Return a row for every size, runtime and file of --peers.

    Raises:
        ConfigError: The folder has no ONNX files, or a backend or the device runs none.
    """
    from hiseg_ros.benchmark.peers import check_choices, measure_peers, peer_files

    choices, files = choices_of(options.backend), peer_files(options.peers)
    check_choices(choices, options.device)
    rows: Rows = []
    with TemporaryDirectory(prefix=PREFIX) as scratch:
        for size in options.sizes:
            job = EngineJob(
                drawn(size)[:1],
                Path(scratch),
                options.model,
                'cpu',
                options.frames,
                options.warm_up,
                input_height=options.input_height,
            )
            np.save(job.shown, job.images)
            rows += measure_peers(job, files, choices)
    return rows


def message_rows(options: argparse.Namespace) -> Rows:
    """Return a row for every size, backend and kind of message.

    Raises:
        HisegError: The engine cannot be created.
    """
    from hiseg_ros.benchmark.message_times import message_times
    from hiseg_ros.inference.engine import Engine

    rows: Rows = []
    for size in options.sizes:
        for choice in choices_of(options.backend):
            engine = Engine(
                file_for(options.model, choice),
                device=options.device,
                backend=choice.backend,
                precision=choice.precision,
                input_height=options.input_height,
            )
            rgb = drawn(size)[0]
            found = message_times(engine, rgb, rounds=options.frames, warm_up=options.warm_up)
            facts = {'backend': engine.backend, 'precision': engine.precision}
            rows += [{**facts, 'input_height': options.input_height, **row} for row in found]
            engine.close()
    return rows


def everything(
    options: argparse.Namespace, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Return all measurements of a machine; `keep` is called with those so far after each step."""
    from hiseg_ros.benchmark.everything import EverythingPlan, measure_everything

    plan = EverythingPlan(
        options.sizes,
        choices_of(options.backend),
        choices_of(options.node_backend),
        options.camera_counts,
        options.device,
        options.frames,
        options.warm_up,
        options.experiment,
        options.minutes,
    )
    with TemporaryDirectory(prefix=PREFIX) as scratch:

        def tell(kind: str, found: dict[str, Rows]) -> None:
            row = found[kind][-1]
            height, width = row['size']
            missing = f': {row["error"]}' if 'error' in row else ''
            print(
                f'{"node" if kind == "graph" else "engine"}: {row["network"]}, {height}x{width}, '
                f'{row["cameras"]} cameras, {row["backend"]} {row["precision"]}{missing}',
                file=sys.stderr,
                flush=True,
            )
            keep(found)

        return measure_everything(plan, Path(scratch), drawn, partial(_node, options), tell)
