# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All measurements of a machine end in time, with what matters most, on a pretended machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.benchmark import engines, everything
from hiseg_ros.benchmark.engines import EngineChoice, EngineJob, Reference
from hiseg_ros.benchmark.everything import EverythingPlan, Rows, measure_everything, steps
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize

SMALL, LARGE = (64, 96), (128, 192)
CUDA, COMPILE, EAGER = (
    EngineChoice('cuda_graph', 'bfloat16'),
    EngineChoice('compile', 'bfloat16'),
    EngineChoice('eager', 'float32'),
)
AUTO = EngineChoice('auto', 'auto')
NETWORKS = ('large, untrained', 'street_vit')


class Machine:
    """Takes a given time for each measurement, and no longer than it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step_s: float) -> None:
        self.step_s, self.time_s = step_s, 1000.0
        self.folder = tmp_path
        self.kept: list[str] = []
        monkeypatch.setattr(engines, 'run_module', self.run_module)
        monkeypatch.setattr(everything, 'run_module', self.run_module)

    def run_module(self, module: str, settings: Any, scratch: Path, timeout_s: float) -> Rows:
        name = module.rpartition('.')[2]
        if name == 'untrained':
            self.time_s += 5.0
            return [{'model': str(scratch / 'large.safetensors')}]
        if name == 'arithmetic':
            self.time_s += 5.0
            return [{'error': 'not here'}]
        self.time_s += min(self.step_s, timeout_s)
        if timeout_s < self.step_s:
            return [{'error': f'It did not finish within {timeout_s:.0f} s'}]
        np.save(settings.labels, np.zeros((1, 2, 2), np.uint8))
        return [{'cameras': count} for count in settings.cameras]

    def measure_node(
        self, job: EngineJob, reference: Reference, choice: EngineChoice, cameras: int
    ) -> Rows:
        assert reference.name == 'eager float32' and job.shown.is_file()
        self.time_s += min(self.step_s, job.left_s())
        return [{'size': list(SMALL), 'cameras': cameras, 'backend': choice.backend}]

    def measure(self, minutes: float, sizes: Sequence[ImageSize] = (SMALL, LARGE)) -> Any:
        choices = [CUDA, COMPILE, EAGER]
        settings = (sizes, choices, [AUTO, CUDA], [1, 4], 'cpu', 1, 0, 'x', minutes)

        def draw(size: ImageSize) -> Any:
            return np.zeros((1, *size, 3), np.uint8)

        return measure_everything(
            EverythingPlan(*settings),
            self.folder,
            draw,
            self.measure_node,
            lambda kind, found: self.kept.append(kind),
            lambda: self.time_s,
        )


def test_what_matters_most_comes_first() -> None:
    plan = EverythingPlan(
        (SMALL, LARGE), [CUDA, COMPILE, EAGER], [AUTO, CUDA], [1, 4], 'cpu', 1, 0, 'x'
    )
    found = steps(plan, NETWORKS)
    assert len(found) == len(set(found)) == 2 * 2 * 3 + 2 * 2 * 2
    assert [(step.kind, step.choice.backend, step.size) for step in found[:6:2]] == [
        ('engines', 'cuda_graph', SMALL),
        ('graph', 'auto', SMALL),
        ('engines', 'compile', SMALL),
    ]
    assert [step.network for step in found[:6]] == 3 * list(NETWORKS)
    assert found[2].cameras == 1 and {step.cameras for step in found[6:12]} == {1, 4}
    assert all(step.size == LARGE for step in found[-6:])


def test_everything_ends_in_time_and_says_what_was_not_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, step_s=40.0)
    found = machine.measure(10.0)
    assert 575.0 <= machine.time_s - 1000.0 <= 585.0
    rows = found['engines'] + found['graph']
    assert len(machine.kept) == 20, 'kept after each step'
    reasons = [row['error'] for row in rows if 'error' in row]
    late = [reason for reason in reasons if 'finish' in reason]
    assert late == ['It did not finish within 15 s']
    others = set(reasons) - set(late)
    assert others == {'not reached in 10 minutes; expected a larger --minutes for it'}
    assert all(row['size'] and row['cameras'] and row['backend'] for row in rows)
    assert {row['network'] for row in rows} == set(NETWORKS)
    first = [row for row in found['engines'] if row['size'] == list(SMALL)]
    reached = {(row['network'], row['backend']) for row in first if 'error' not in row}
    assert {(name, 'cuda_graph') for name in NETWORKS} <= reached
    assert {(name, 'eager') for name in NETWORKS} <= reached, 'the reference is measured anyway'
    assert all('error' in row for row in found['engines'] if row['size'] == list(LARGE))
    assert 'error' not in found['graph'][0] and 'error' not in found['graph'][1]


@pytest.mark.parametrize('minutes', [0.0, 100.0])
def test_with_enough_time_or_without_a_limit_all_is_measured(
    minutes: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, step_s=40.0)
    found = machine.measure(minutes)
    assert not [row for row in found['engines'] + found['graph'] if 'error' in row]
    assert len(found['engines']) == 2 * 2 * 3 * 2, 'each with one and with four cameras'


def test_one_measurement_takes_no_more_than_what_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, step_s=390.0)
    found = machine.measure(10.0)
    assert machine.time_s - 1000.0 == pytest.approx(585.0)
    rows = found['engines'] + found['graph']
    assert [row['error'] for row in rows if 'finish' in row.get('error', '')] == [
        'It did not finish within 185 s'
    ]


def test_a_node_that_cannot_be_measured_leaves_a_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, step_s=1.0)

    def fail(*_: object) -> Rows:
        raise ConfigError('No ROS here.')

    machine.measure_node = fail  # type: ignore[method-assign]
    found = machine.measure(10.0, [SMALL])
    assert [row['error'] for row in found['graph']] == 8 * ['No ROS here.']
    assert len(found['engines']) == 12
