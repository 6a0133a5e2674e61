# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The metrics of a run follow from its messages."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from hiseg_ros.bags.stamps import read_stamp_ns
from hiseg_ros.errors import BagError
from hiseg_ros.replay.summary import (
    STAGES,
    FrameRecord,
    Run,
    percentiles,
    rate_hz,
    summarize,
    table,
)

MS = 1_000_000


def stats(stamp_ns: int, latency_ms: float) -> SimpleNamespace:
    stages = {f'{stage}_ms': 2.0 for stage in STAGES}
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = SimpleNamespace(stamp=stamp)
    return SimpleNamespace(**stages, latency_ms=latency_ms, device='cpu', header=header)


def a_run(**changes: Any) -> Run:
    """Return ten frames at 10 Hz, of which every second was processed, 30 ms later and more."""
    camera = [FrameRecord(i * 100 * MS, i * 100 * MS + MS) for i in range(10)]
    every_second = [record.stamp_ns for record in camera[::2]]
    labels = [FrameRecord(stamp, stamp + (30 + i) * MS) for i, stamp in enumerate(every_second)]
    fields: dict[str, Any] = {
        'camera': camera,
        'labels': labels,
        'image_size': (12, 34),
        'counts': {'/camera': 10},
        'stats': [stats(0, 40.0), stats(200 * MS, 42.0), stats(400 * MS, math.nan)],
    }
    return Run(**{**fields, **changes})


def test_stamps_of_another_clock_give_no_latency_of_years() -> None:
    """It counts from the arrival of the image, and the node's own is not known."""
    years = 1_600_000_000_000 * MS
    run = a_run()
    late = [FrameRecord(r.stamp_ns, r.received_ns + years) for r in run.labels]
    camera = [FrameRecord(r.stamp_ns, r.received_ns + years) for r in run.camera]
    summary = summarize(a_run(labels=late, camera=camera))
    assert not summary['is_one_clock'] and summarize(run)['is_one_clock']
    assert summary['latency_ms'] == {'median': 31.0, 'p95': 32.8}
    assert summary['node_latency_ms'] == {'median': None, 'p95': None}
    assert 'latency from arrival, median' in table(summary)
    assert 'from arrival' not in table(summarize(run))


def test_frames_are_counted_and_latency_runs_from_stamp_to_arrival() -> None:
    summary = summarize(a_run())
    assert summary['frames_published'] == 10
    assert summary['frames_processed'] == 5
    assert summary['frames_dropped'] == 5
    assert summary['latency_ms'] == {'median': 32.0, 'p95': 33.8}
    assert summary['node_latency_ms'] == {'median': 41.0, 'p95': 41.9}
    assert summary['input_rate_hz'] == 10.0
    assert summary['rate_hz'] == 5.0
    assert summary['image_size'] == {'height': 12, 'width': 34}
    assert summary['stages_ms'] == dict.fromkeys(STAGES, 2.0)


def test_a_run_without_results_has_no_metrics_but_is_valid_json() -> None:
    summary = summarize(a_run(labels=[], stats=[], image_size=None))
    assert summary['frames_dropped'] == 10
    assert summary['latency_ms'] == {'median': None, 'p95': None}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert 'none' in table(summary)


def test_an_image_that_only_the_node_has_seen_counts_as_published() -> None:
    whole = summarize(a_run())
    summary = summarize(a_run(labels=[FrameRecord(7, 9)], stats=[]))
    assert summary['images_not_recorded'] == 1
    assert whole['images_not_recorded'] == 0
    assert summary['frames_published'] == whole['frames_published'] + 1
    assert summary['frames_processed'] == 1


def test_a_recording_without_a_camera_is_refused() -> None:
    with pytest.raises(BagError, match='no camera images'):
        summarize(a_run(camera=[]))


def test_a_frame_of_which_the_recorder_missed_the_labels_was_processed_all_the_same() -> None:
    summary = summarize(a_run(stats=[stats(100 * MS, 40.0)]))
    assert summary['frames_processed'] == 6
    assert summary['frames_dropped'] == 4
    assert summary['labels_not_recorded'] == 1
    assert summarize(a_run())['labels_not_recorded'] == 0


def test_rate_and_percentiles_need_something_to_count() -> None:
    assert rate_hz([5]) is None
    assert rate_hz([5, 5]) is None
    assert rate_hz([0, 50 * MS, 100 * MS]) == 20.0
    assert percentiles([math.nan, math.inf]) == {'median': None, 'p95': None}


@pytest.mark.parametrize('order', ['little', 'big'])
def test_the_stamp_is_read_from_the_bytes(order: Any) -> None:
    data = bytes([0, order == 'little', 0, 0]) + (17).to_bytes(4, order) + (23).to_bytes(4, order)
    assert read_stamp_ns(data) == 17_000_000_023


def test_the_table_names_the_main_metrics() -> None:
    text = table(summarize(a_run()))
    assert 'frames published  10' in text
    assert '34 x 12' in text
    assert '32.0 ms' in text
