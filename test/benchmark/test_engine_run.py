# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Timing of images that arrive together, and peak memory of the right process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.benchmark.engine_run import _is_batched, _segment
from hiseg_ros.benchmark.engines import EngineChoice, EngineJob, run_module
from hiseg_ros.benchmark.machine import peak_mib
from hiseg_ros.benchmark.untrained import UntrainedSettings

IMAGES = np.zeros((2, 8, 8, 3), np.uint8)


class PlayedEngine:
    """Says of each image that it was 1, 8 and 2 ms in the stages, or of a batch 16 ms."""

    def __init__(self, batch_pays: bool) -> None:
        """Say whether a batch pays."""
        self.batch_pays = batch_pays
        self.batches: list[int] = []

    def segment(self, rgb: Any, wanted: Any) -> Any:
        """Return the times of one image."""
        self.batches.append(1)
        return SimpleNamespace(timings_ms={'preprocess': 1.0, 'network': 8.0, 'decision': 2.0})

    def segment_batch(self, rgbs: Sequence[Any], wanted: Any) -> Iterator[tuple[int, Any]]:
        """Yield the times of each image; the network's are those of the batch."""
        self.batches.append(len(rgbs))
        for number in range(len(rgbs)):
            yield (
                number,
                SimpleNamespace(timings_ms={'preprocess': 1.0, 'network': 16.0, 'decision': 2.0}),
            )


@pytest.mark.parametrize(
    ('batch_pays', 'cameras', 'batches', 'network_ms'),
    [(True, 4, [4], 16.0), (False, 4, [1] * 4, 32.0), (True, 1, [1], 8.0)],
)
def test_a_batch_is_in_the_network_once(
    batch_pays: bool, cameras: int, batches: list[int], network_ms: float
) -> None:
    """Images go together where that pays, as in the node, and one by one elsewhere."""
    engine: Any = PlayedEngine(batch_pays)
    times = _segment(engine, IMAGES, 0, cameras)
    assert times == {'preprocess': cameras, 'network': network_ms, 'decision': 2.0 * cameras}
    assert engine.batches == batches
    assert _is_batched(engine, cameras) == (max(batches) > 1)


def test_a_process_that_dies_or_hangs_leaves_a_row(tmp_path: Any) -> None:
    """With its last words; the others are measured all the same."""
    settings = UntrainedSettings('iv2018', str(tmp_path))
    (row,) = run_module('hiseg_ros.no_such_module', settings, tmp_path, 60)
    assert 'No module named hiseg_ros.no_such_module' in row['error']
    job = EngineJob(IMAGES, tmp_path, timeout_s=0.01)
    (row,) = job.run(EngineChoice('eager', 'float32'), tmp_path / 'labels.npy')
    assert 'did not finish within' in row['error']
    assert row['cameras'] == 1


def test_an_experiment_that_is_none_leaves_a_row(tmp_path: Any) -> None:
    """In one sentence."""
    settings = UntrainedSettings('no_such_experiment', str(tmp_path))
    (row,) = run_module('hiseg_ros.benchmark.untrained', settings, tmp_path, 60)
    assert "'no_such_experiment' does not describe a network" in row['error']


def test_a_process_has_a_peak_of_memory() -> None:
    """This one has loaded numpy at least."""
    assert peak_mib() > 20
