# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg benchmark --ros`: node and cameras as processes of a private ROS graph."""

from __future__ import annotations

import queue
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.benchmark.graph_run import Run, summary
from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.ros.benchmark import run as graph_benchmark
from hiseg_ros.ros.benchmark.run import GraphPlan, measure

pytestmark = [pytest.mark.needs('ros'), pytest.mark.needs('torch')]


def test_the_node_is_measured_from_outside(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """First the sustained rate, then the rates asked for; results are counted, not believed."""
    shown = np.stack([draw_scene(seed, (64, 96)).rgb for seed in range(2)])
    engine = Engine(tiny_checkpoint, device='cpu', backend='eager')
    np.save(tmp_path / 'shown.npy', shown)
    np.save(tmp_path / 'labels.npy', np.stack([engine.segment(one).labels for one in shown]))
    plan = GraphPlan(
        (64, 96),
        str(tmp_path / 'shown.npy'),
        backend='eager',
        precision='float32',
        model=str(tiny_checkpoint),
        device='cpu',
        rates=(5.0,),
        seconds=1.0,
        reference=str(tmp_path / 'labels.npy'),
    )
    fastest, asked = measure(plan)
    assert fastest['camera_hz'] > 0
    assert asked['camera_hz'] == 5.0
    assert asked['images'] == 5
    assert not asked['is_sustained']
    for row in (fastest, asked):
        assert 0 <= row['lost'] <= 1
        assert row['backend'] == 'eager'
        assert row['host_peak_mib'] > 50
        assert row['cores'] > 0
        assert row['labels_equal_to_reference'] == 1.0
    assert asked['latency_ms']['median'] > 0
    assert asked['engine_ms'] > 0
    assert asked['network_heights'] == [64, 64]


def test_parameters_replace_those_of_the_plan() -> None:
    """ROS keeps the first value of a parameter that is given twice."""
    plan = GraphPlan(
        (512, 1024),
        'shown.npy',
        input_height='auto',
        parameters=('precision:=int8', 'overlap:=no'),
    )
    command = graph_benchmark._node_command(plan)
    given = [command[i + 1] for i, word in enumerate(command) if word == '-p']
    assert 'input_height:=auto' in given
    assert 'image_sizes:=["512x1024"]' in given
    assert [text for text in given if text.startswith('precision')] == ['precision:=int8']
    assert 'overlap:=no' in given


def test_a_node_that_refuses_is_an_error_and_no_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own sentence is passed on."""
    shown, missing = tmp_path / 'shown.npy', tmp_path / 'none.onnx'
    np.save(shown, np.zeros((1, 64, 96, 3), np.uint8))
    plan = GraphPlan((64, 96), str(shown), model=str(missing), seconds=0.5, rates=())
    monkeypatch.setattr(graph_benchmark, 'PATIENCE_S', 8.0)
    with pytest.raises(ConfigError, match='none.onnx do not exist'):
        measure(plan)


def test_runs_that_were_measured_are_kept_where_the_time_ends(tmp_path: Path) -> None:
    plan = GraphPlan((64, 96), 'shown.npy', backend='eager', left_s=1.5)
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    events.put({'event': 'measured', 'from': 'camera', 'backend': 'eager', 'camera_hz': 5.0})
    node: Any = SimpleNamespace(last_error=lambda _: '')
    first, rest = graph_benchmark._collect(plan, events, node)
    assert first['camera_hz'] == 5.0 and 'error' not in first
    assert rest['backend'] == 'eager' and 'the time for all measurements ended' in rest['error']


def test_lost_images_count_against_the_node() -> None:
    """One of four images has all its results: three quarters are lost."""
    import os

    run = Run(
        {1: 0.0, 2: 0.1, 3: 0.2, 4: 0.3},
        {1: {'labels': 0.05, 'confidence': 0.06}, 3: {'labels': 0.3}},
    )
    row = summary(run, ('labels', 'confidence'), 0.1, os.getpid())
    assert row['lost'] == 0.75
    assert row['latency_ms'] == {'median': 60.0, 'p95': 60.0}
    assert row['engine_ms'] is None


def test_labels_are_compared_with_those_of_the_same_image() -> None:
    """One of eight pixels differs."""
    import os

    reference = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.uint8)
    run = Run(
        {1: 0.0},
        {1: {'labels': 0.05}},
        image={1: 1},
        labels={
            1: SimpleNamespace(data=bytes([5, 6, 7, 9])),
            0: SimpleNamespace(data=bytes([1, 2, 3, 4])),
        },
    )
    row = summary(run, ('labels',), 0.1, os.getpid(), reference)
    assert row['labels_equal_to_reference'] == 0.875
