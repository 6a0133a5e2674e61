# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The time of building messages: turns, memory that is used again, and the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hiseg_ros.benchmark.machine import describe_machine
from hiseg_ros.benchmark.message_times import Clocks, steps_of, timed
from hiseg_ros.benchmark.page import markdown
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import NodeProbabilities, Segmentation


def test_kinds_take_turns_and_the_memory_of_the_round_before() -> None:
    """Only rounds after the warm-up count; the ratio is that of the CPU time of a round."""
    ran: list[str] = []
    now = {'elapsed': 0.0, 'cpu': 0.0}

    def step(name: str, cpu_s: float) -> Any:
        def build(again: list[Any]) -> list[Any]:
            ran.append(name + str(len(again)))
            now['elapsed'] += 1.0
            now['cpu'] += cpu_s
            return [*again, b'']

        return build

    steps = {'maps': step('maps', 0.002), 'maps, one by one': step('one', 0.005)}
    clocks = Clocks(lambda: now['elapsed'], lambda: now['cpu'])
    (row,) = timed(steps, 2, 1, clocks)
    assert ran == ['maps0', 'one0', 'one1', 'maps1', 'maps2', 'one2']
    assert row['messages'] == 'maps'
    assert row['count'] == 3
    assert row['one_by_one'] == pytest.approx(2.5)
    assert row['cpu_ms'] == {'median': 2.0, 'p95': 2.0}
    assert row['ms'] == {'median': 1000.0, 'p95': 1000.0}


def test_every_message_of_a_frame_is_built() -> None:
    """As many as there are levels; what is built together is what is built one by one."""
    taxonomy = load_taxonomy('street')
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(taxonomy), (32, 48)).astype(np.uint8)
    rgb = rng.integers(0, 256, (32, 48, 3)).astype(np.uint8)
    values = rng.random((len(taxonomy), 8, 12)).astype(np.float32)
    found = Segmentation(labels, labels, NodeProbabilities(values, (32, 48)))
    steps = steps_of(found, rgb, taxonomy)
    built = {name: step([]) for name, step in steps.items()}
    for name in ('level labels', 'level probabilities'):
        assert len(built[name]) == taxonomy.depth
        for one, other in zip(built[name], built[f'{name}, one by one'], strict=True):
            np.testing.assert_array_equal(one.data, other.data)
    rows = timed(steps, 1, 1)
    assert {row['messages']: row['count'] for row in rows} == {
        'labels': 1,
        'confidence': 1,
        'level labels': taxonomy.depth,
        'overlay': 1,
        'level probabilities': taxonomy.depth,
        'traffic signs': 1,
    }
    facts = {'size': [32, 48], 'backend': 'openvino', 'precision': 'int8'}
    page = markdown(
        {'command': '', 'machine': describe_machine(), 'messages': [{**facts, **r} for r in rows]}
    )
    assert '| 32x48 | openvino int8 | level labels | 5 | 0.01 |' in page
