# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Runs a soak test: node and test rig as processes of a private ROS graph, checked at the end."""

from __future__ import annotations

import dataclasses
import json
import queue
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.benchmark.cameras import processor_s
from hiseg_ros.ros.harness.child_process import ChildProcess, end_all
from hiseg_ros.ros.harness.isolation import Isolation
from hiseg_ros.ros.soak.audit import (
    CameraObservations,
    FrameCounts,
    Sample,
    Sent,
    check_counts,
    growth,
)
from hiseg_ros.ros.soak.plan import SoakPlan
from hiseg_ros.types import RgbImage

NODE, RIG = 'segmentation node', 'rig'
SAMPLE_PERIOD_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """Results of a soak test."""

    plan: SoakPlan
    counts: Mapping[str, FrameCounts]
    """Number of images by what became of them, by camera."""
    faults: Sequence[Mapping[str, Any]]
    """For each fault: name, camera, at_s, took_s, found, problem ('' for none)."""
    samples: Sequence[Sample]
    """Of the node's process, once a second."""
    latencies: Mapping[str, Sequence[tuple[float, float]]]
    """By camera: seconds since the first image, and milliseconds from stamp to publishing."""
    growth: Mapping[str, float]
    """See `audit.growth`."""
    facts: Mapping[str, str]
    """'model', 'device', 'backend' and 'precision' from the node's diagnostics."""
    problems: Sequence[str]
    """One sentence for everything that was not as expected; none for a good run."""

    @property
    def seconds(self) -> float:
        """Length of the run: longer than planned where a fault took longer."""
        return max([self.plan.seconds, *(sample.at_s for sample in self.samples)])


def soak(
    plan: SoakPlan,
    images: Mapping[str, Sequence[RgbImage]],
    logs: Path,
    tell: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run the node under load and faults, then check that every image is accounted for.

    Args:
        plan: Cameras, length and period.
        images: By camera, the (H, W, 3) uint8 images that it sends in turn.
        logs: Folder for the processes' logs and records.
        tell: Called with one line of text at the start and after each fault.

    Raises:
        ConfigError: The node could not be configured, or a process ended early.
    """
    logs.mkdir(parents=True, exist_ok=True)
    stacked: dict[str, Any] = {name: np.stack(shown) for name, shown in images.items()}
    np.savez(logs / 'images.npz', **stacked)
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    children: list[ChildProcess] = []
    tally, record = logs / 'tally.json', logs / 'record.json'
    with Isolation() as isolation:
        environment = isolation.process_environment(logs / 'ros')
        try:
            node = ChildProcess(
                NODE, _node_command(plan, tally), environment, logs / 'node.log', events
            )
            children.append(node)
            rig = [sys.executable, '-m', 'hiseg_ros.ros.soak.schedule', plan.to_json(),
                   str(logs / 'images.npz'), str(record)]  # fmt: skip
            children.append(ChildProcess(RIG, rig, environment, logs / 'rig.log', events))
            watch = _Watch(plan, node, events, tell)
            watch.until_finished()
            code = node.end()
        finally:
            end_all(children)
    problems = [
        f'{fault["name"]} at {fault["at_s"]:.0f} s: {fault["problem"]}'
        for fault in watch.faults if fault['problem']
    ]  # fmt: skip
    if code:
        problems.append(f'the node ended with exit code {code}')
    if 'Traceback' in (logs / 'node.log').read_text(errors='replace'):
        problems.append('the node wrote a traceback')
    if not tally.is_file():
        raise ConfigError(
            f'The node wrote no record of its images; expected {tally} at its end: see '
            f'{logs / "node.log"}.'
        )
    return _outcome(plan, watch, json.loads(record.read_text()), json.loads(tally.read_text()),
                     problems)  # fmt: skip


def _node_command(plan: SoakPlan, tally: Path) -> list[str]:
    parameters = {
        'autostart': 'true', 'model': plan.model or "''", 'device': plan.device,
        'backend': plan.backend, 'precision': plan.precision,
        'input_height': plan.input_height, 'image_timeout': plan.image_timeout_s,
        'cameras': f'[{", ".join(camera.name for camera in plan.cameras)}]',
    }  # fmt: skip
    command = [sys.executable, '-m', 'hiseg_ros.ros.soak.node', str(tally), '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


class _Watch:
    """Reads the events of the processes, and samples the node's resources once a second."""

    def __init__(
        self,
        plan: SoakPlan,
        node: ChildProcess,
        events: queue.Queue[dict[str, Any]],
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._node = node
        self._events = events
        self._tell = tell
        self._before: tuple[float, float] | None = None
        self.began_s: float | None = None
        self.faults: list[dict[str, Any]] = []
        self.samples: list[Sample] = []

    def until_finished(self) -> None:
        """Wait for the end of the run.

        Raises:
            ConfigError: A process ended too early, or the run hangs.
        """
        plan = self._plan
        deadline = time.monotonic() + plan.startup_s + 3 * plan.seconds + 20 * plan.patience_s
        due = time.monotonic()
        while time.monotonic() < deadline:
            if time.monotonic() >= due:
                due += SAMPLE_PERIOD_S
                self._sample()
                self._node.note_shared_memory()
            try:
                event = self._events.get(timeout=max(0.01, due - time.monotonic()))
            except queue.Empty:
                continue
            kind, source = event.pop('event'), event.pop('from')
            if kind == 'began':
                self.began_s = float(event['at_s'])
                self._tell('The cameras are sending.')
            elif kind == 'fault':
                self.faults.append(event)
                self._tell(_line(event))
            elif kind == 'finished':
                return
            elif kind in ('error', 'ended'):
                refused = self._node.last_error('Not configured: ')
                said = refused or event.get('message') or f'exit code {event.get("code")}'
                raise ConfigError(
                    f'The {source} ended before its work was done ({said}); expected it to run '
                    'to the end.'
                )
        raise ConfigError('The soak run did not end in time; expected it to: see its logs.')

    def _sample(self) -> None:
        try:
            status = Path(f'/proc/{self._node.process_id}/status').read_text()
            now, used_s = time.monotonic(), processor_s(self._node.process_id)
        except OSError:
            return  # the process has ended, which is reported as an event
        fields = dict(line.split(':', 1) for line in status.splitlines() if ':' in line)
        before, self._before = self._before, (now, used_s)
        if self.began_s is None or before is None or 'VmRSS' not in fields:
            return
        self.samples.append(Sample(
            round(now - self.began_s, 1),
            round(int(fields['VmRSS'].split()[0]) / 1024, 1),
            int(fields['Threads']),
            round((used_s - before[1]) / (now - before[0]), 2),
        ))  # fmt: skip


def _line(fault: Mapping[str, Any]) -> str:
    where = f' ({fault["camera"]})' if fault['camera'] else ''
    said = f'NOT AS EXPECTED: {fault["problem"]}' if fault['problem'] else fault['found']
    return f'{fault["at_s"]:6.0f} s  {fault["name"]}{where}: {said}'


def _outcome(
    plan: SoakPlan,
    watch: _Watch,
    record: Mapping[str, Any],
    tally: Mapping[str, list[list[int]]],
    problems: list[str],
) -> Outcome:
    began_s = watch.began_s or 0.0
    counts, latencies = {}, {}
    for name, seen in record['cameras'].items():
        observed = CameraObservations(
            [Sent(*entry) for entry in seen['sent']],
            tally.get(f'/{name}/image', []),
            seen['counters'],
            [result['stamp_ns'] for result in seen['results']],
            [result['processed'] for result in seen['results']],
            [tuple(span) for span in record['away']],
        )
        counts[name], found = check_counts(name, observed)
        problems += found
        latencies[name] = [
            (round(result['at_s'] - began_s, 2), round(result['latency_ms'], 1))
            for result in seen['results']
        ]
    grown, found = growth(watch.samples)
    return Outcome(
        plan, counts, watch.faults, watch.samples, latencies, grown,
        {key: record['facts'].get(key, '') for key in ('model', 'device', 'backend', 'precision')},
        [*problems, *found],
    )  # fmt: skip


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values."""
    return dataclasses.asdict(outcome)
