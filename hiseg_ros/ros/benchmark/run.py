# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measures the node from outside: cameras and a subscriber in a private ROS graph."""

from __future__ import annotations

import json
import math
import queue
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.harness.child_process import ChildProcess, end_all
from hiseg_ros.ros.harness.isolation import Isolation
from hiseg_ros.ros.harness.live_run import NODE, NODE_PROGRAM
from hiseg_ros.ros.parameters import AUTO
from hiseg_ros.types import ImageSize

CAMERA = 'camera'
PATIENCE_S = 300.0
"""Time for loading and compiling, beyond the length of the runs."""

RESULTS = ('labels', 'confidence')
"""Outputs of the node that are subscribed to."""


SETTLE_S = 8.0
"""The node has left a size that is too large by then, and gone back to one that fits."""


@dataclass(frozen=True)
class GraphPlan:
    """One node and its runs."""

    size: ImageSize
    """(H, W) of the camera image."""
    images: str
    """A .npy file of (N, H, W, 3) uint8, which the cameras send in turn."""
    backend: str = 'auto'
    precision: str = 'auto'
    model: str = ''
    device: str = 'auto'
    input_height: int | str = 0
    """As the node's parameter; with 'auto' its sizes are compiled when it is configured, and
    images are sent for `SETTLE_S` at each rate before the run."""
    cameras: int = 1
    """Number of cameras that share the node; each sends at the rates below."""
    reference: str = ''
    """A .npy file with the labels to compare with, (N, H, W) uint8; '' compares with none."""
    results: Sequence[str] = RESULTS
    """Names of the outputs, below the node's name."""
    parameters: Sequence[str] = ()
    """Further parameters of the node, each as NAME:=VALUE."""
    rates: Sequence[float] = (10.0, 30.0, 60.0)
    """Rates of each camera in Hz."""
    seconds: float = 10.0
    """Length of each run."""
    left_s: float = math.inf
    """Time for all runs, loading included; those that it does not suffice for become one row with
    'error'."""


def measure(plan: GraphPlan) -> list[dict[str, Any]]:
    """Measure the node, with cameras and subscriber in another process.

    First the cameras send as fast as results arrive. Then the highest rate below that is searched
    at which less than 1 % of the images are lost ('is_sustained'). Last come the plan's rates.

    Returns:
        For each rate: 'camera_hz' of each camera, 'frames_per_s' with all results of all cameras,
        'lost' share of images; medians of 'latency_ms' from an image's stamp to the arrival of its
        last result, of 'engine_ms' (of the batch, where images are 'batched') and of
        'overhead_ms', the rest of the node's time; smallest and largest 'network_heights', the
        shorter side of the network's input; busy 'cores' and 'host_peak_mib' of the node,
        'device_used_mib' by all processes, and 'labels_equal_to_reference', a share of pixels.

    Raises:
        ConfigError: The node cannot be configured, or a process ended too early.
    """
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    children: list[ChildProcess] = []
    with Isolation() as isolation, TemporaryDirectory(prefix='hiseg_benchmark_') as folder:
        environment = isolation.process_environment(folder)
        try:
            node = ChildProcess(
                NODE, _node_command(plan), environment, Path(folder) / 'node.log', events
            )
            children.append(node)
            camera = [
                sys.executable,
                '-m',
                'hiseg_ros.ros.benchmark.cameras',
                json.dumps(
                    {
                        'results': list(plan.results),
                        'rates': list(plan.rates),
                        'seconds': plan.seconds,
                        'settle_s': SETTLE_S if plan.input_height == AUTO else 0.0,
                        'node': node.process_id,
                        'patience_s': PATIENCE_S,
                        'images': plan.images,
                        'reference': plan.reference,
                        'cameras': _camera_names(plan),
                    }
                ),
            ]
            children.append(
                ChildProcess(CAMERA, camera, environment, Path(folder) / 'camera.log', events)
            )
            rows = _collect(plan, events, node)
        finally:
            end_all(children)
        log = (Path(folder) / 'node.log').read_text(errors='replace')
    named = {
        'size': list(plan.size),
        'input_height': plan.input_height,
        'results': list(plan.results),
        'cameras': plan.cameras,
        'precision': _configured_precision(log) or plan.precision,
    }
    return [{**named, **row} for row in rows]


def _camera_names(plan: GraphPlan) -> list[str]:
    """Return the node's parameter `cameras`; a single camera has no name."""
    if plan.cameras == 1:
        return ['']
    return [f'camera_{number}' for number in range(plan.cameras)]


def _configured_precision(log: str) -> str:
    """Return the precision in the node's log, '' if there is none."""
    found = re.search(r'Configured: .*\bprecision (\w+)', log)
    return found[1] if found else ''


def _node_command(plan: GraphPlan) -> list[str]:
    parameters = {
        'autostart': 'true',
        'model': plan.model or "''",
        'device': plan.device,
        'backend': plan.backend,
        'precision': plan.precision,
        'input_height': str(plan.input_height),
        'cameras': json.dumps(_camera_names(plan)),
    }
    if plan.input_height == AUTO:
        height, width = plan.size
        parameters['image_sizes'] = json.dumps([f'{height}x{width}'] * plan.cameras)
    # A name that is given twice keeps its first value in ROS, so ours give way here.
    parameters.update((name, value) for name, _, value in map(_parted, plan.parameters))
    command = [sys.executable, '-c', NODE_PROGRAM, '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


def _parted(parameter: str) -> tuple[str, str, str]:
    return parameter.partition(':=')


def _collect(
    plan: GraphPlan, events: queue.Queue[dict[str, Any]], node: ChildProcess
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    began = time.monotonic()
    deadline = began + PATIENCE_S + (8 + len(plan.rates)) * (plan.seconds + 10)
    while True:
        if time.monotonic() > began + plan.left_s:
            reason = 'the time for all measurements ended; expected a larger --minutes for more'
            return [*rows, {'backend': plan.backend, 'error': reason}]
        try:
            event = events.get(timeout=1.0)
        except queue.Empty:
            refused = node.last_error('Not configured: ')
            if refused:
                raise _ended(NODE, refused) from None
            if time.monotonic() > deadline:
                raise ConfigError(
                    'The measurement did not finish in time; expected it to: use fewer --seconds.'
                ) from None
            continue
        kind = event.pop('event')
        source = event.pop('from')
        if kind == 'measured':
            rows.append(event)
        elif kind == 'finished':
            return rows
        elif kind in ('error', 'ended'):
            refused = node.last_error('Not configured: ')
            said = refused or event.get('message') or f'exit code {event.get("code")}'
            raise _ended(source, said)


def _ended(source: str, said: str) -> ConfigError:
    return ConfigError(
        f'The {source} ended before its work was done ({said}); expected it to run to the end.'
    )
