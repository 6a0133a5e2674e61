# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node measured from outside: cameras that ask for results in a private ROS graph."""

from __future__ import annotations

import json
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
from hiseg_ros.types import ImageSize

CAMERA = 'camera'
PATIENCE_S = 300.0
"""Beyond the length of the runs, for loading and compiling."""

RESULTS = ('labels', 'confidence')
"""Of the node's outputs those that are subscribed to."""


@dataclass(frozen=True)
class GraphPlan:
    """One node and the runs it is measured in."""

    size: ImageSize
    """(H, W) of the camera image."""
    images: str
    """A .npy file of (N, H, W, 3) uint8 that the cameras send in turn."""
    backend: str = 'auto'
    precision: str = 'auto'
    model: str = ''
    device: str = 'auto'
    input_height: int = 0
    """Parameter of that name."""
    cameras: int = 1
    """That share the node; each sends at the rates below."""
    reference: str = ''
    """A .npy file with the labels to compare with, (N, H, W) uint8; '' compares with none."""
    results: Sequence[str] = RESULTS
    """Names of the outputs, below the node's name."""
    parameters: Sequence[str] = ()
    """More parameters of the node, each as NAME:=VALUE."""
    rates: Sequence[float] = (10.0, 30.0, 60.0)
    """Of the camera, in Hz."""
    seconds: float = 10.0
    """Of each run."""


def measure(plan: GraphPlan) -> list[dict[str, Any]]:
    """Measure the node in a process of its own, beside one that is camera and consumer.

    First the camera sends as fast as results come. Below that rate the highest is searched for at
    which less than a hundredth of the images are lost ('is_sustained'); then come the plan's.

    Returns:
        For each rate: 'camera_hz' of each camera, 'frames_per_s' of all with all results, 'lost'
        share of images, and medians: 'latency_ms' from the image's stamp to the arrival of the
        last result, 'engine_ms' (of a whole batch where the images are 'batched'), 'overhead_ms'
        of the node around it; 'cores' that the node kept busy, its 'host_peak_mib',
        'device_used_mib' by all programs, and 'labels_equal_to_reference', a share of pixels.

    Raises:
        ConfigError: The node cannot be configured, or a process ended.
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
    """Return the node's parameter of that name; the only camera has none."""
    if plan.cameras == 1:
        return ['']
    return [f'camera_{number}' for number in range(plan.cameras)]


def _configured_precision(log: str) -> str:
    """Return the precision that the node says it took, '' where it says none."""
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
    command = [sys.executable, '-c', NODE_PROGRAM, '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    for text in plan.parameters:
        command += ['-p', text]
    return command


def _collect(
    plan: GraphPlan, events: queue.Queue[dict[str, Any]], node: ChildProcess
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE_S + (8 + len(plan.rates)) * (plan.seconds + 10)
    while True:
        try:
            event = events.get(timeout=1.0)
        except queue.Empty:
            refused = node.last_error('Not configured: ')
            if refused:
                raise _ended(NODE, refused) from None
            if time.monotonic() > deadline:
                raise ConfigError(
                    'The measurement did not end in time; expected it to: measure fewer seconds.'
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
