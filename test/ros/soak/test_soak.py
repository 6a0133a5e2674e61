# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A short soak test: faults while images arrive, and every image is accounted for."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from hiseg_ros.cli.__main__ import main
from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import RgbImage

pytestmark = pytest.mark.needs('ros')

SMALL = {'front': ((48, 80), (60, 64)), 'left': ((60, 64), (48, 80)), 'rear': ((36, 48), (48, 80))}


def small_plan(**changes: Any) -> Any:
    """Return a plan with small images and a fault every 1.4 seconds."""
    from hiseg_ros.ros.soak.plan import CAMERAS, SoakPlan

    cameras = tuple(
        dataclasses.replace(camera, size=SMALL[camera.name][0], other_size=SMALL[camera.name][1])
        for camera in CAMERAS
    )
    values = {
        'seconds': 14.0, 'period_s': 1.4, 'cameras': cameras, 'backend': 'onnx_runtime',
        'input_height': 64, 'image_timeout_s': 0.4,
    }  # fmt: skip
    return SoakPlan(**{**values, **changes})


def shown(plan: Any) -> dict[str, list[RgbImage]]:
    """Return two images for each camera of a plan."""
    return {
        camera.name: [draw_scene(seed, camera.size).rgb for seed in range(2)]
        for camera in plan.cameras
    }


@pytest.mark.slow
def test_a_short_soak_run_accounts_for_every_image(tmp_path: Path) -> None:
    """With each kind of fault once."""
    from hiseg_ros.ros.soak.faults import FAULTS
    from hiseg_ros.ros.soak.page import write
    from hiseg_ros.ros.soak.run import soak

    plan = small_plan()
    outcome = soak(plan, shown(plan), tmp_path / 'logs')
    assert list(outcome.problems) == []
    assert [fault['name'] for fault in outcome.faults] == [fault.name for fault in FAULTS]
    for counts in outcome.counts.values():
        assert counts.unexplained == 0
        assert counts.processed > 10
        assert counts.away > 0, 'it was disabled for a while'
    assert outcome.counts['left'].bad > 0, 'it sent garbage'
    assert outcome.counts['left'].unwanted > 0, 'nobody read'
    assert outcome.counts['rear'].lost + outcome.counts['rear'].busy > 0, 'there was a burst'
    assert len(outcome.samples) > 8

    write(outcome, tmp_path)
    content = json.loads((tmp_path / 'soak.json').read_text())
    assert content['is_good']
    assert content['cameras']['left']['unexplained'] == 0
    assert content['facts']['model'] == 'street_vit.onnx'
    text = (tmp_path / 'soak.md').read_text()
    assert 'Every image is accounted for' in text
    assert 'sent = meant not to subscribe + lost + received' in text
    assert str(tmp_path) not in text
    assert (tmp_path / 'soak.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.slow
def test_a_node_that_cannot_be_configured_is_an_error_and_no_wait(tmp_path: Path) -> None:
    """Its own sentence is passed on."""
    from hiseg_ros.ros.soak.run import soak

    plan = small_plan(model=str(tmp_path / 'none.onnx'), startup_s=5.0)
    with pytest.raises(ConfigError, match='none.onnx'):
        soak(plan, shown(plan), tmp_path / 'logs')


def observations(**changes: Any) -> Any:
    """Return observations that add up: ten images, one while away, one lost, one garbage."""
    from hiseg_ros.ros.soak.audit import CameraObservations, Sent

    values: dict[str, Any] = {
        'sent': [Sent(float(number), 1000 + number, number != 9) for number in range(1, 11)],
        'taken': [[1, 2, 3], [5, 7, 8, 9, 10]],
        'counters': {'received': 8, 'processed': 5, 'busy': 1, 'stale': 0, 'bad': 1,
                     'unwanted': 0, 'stopped': 1, 'memory': 0, 'rate': 0, 'lost': 1},
        'results': [1001, 1002, 1005, 1008, 1010],
        'numbers': [1, 2, 3, 4, 5],
        'away': [(3.5, 4.5)],
    }  # fmt: skip
    return CameraObservations(**{**values, **changes})


def test_counts_that_add_up_have_no_problem() -> None:
    """Each image is counted once."""
    from hiseg_ros.ros.soak.audit import check_counts

    counts, problems = check_counts('front', observations())
    assert problems == []
    assert (counts.sent, counts.away, counts.lost, counts.received) == (10, 1, 1, 8)
    assert counts.unexplained == 0


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'away': []}, 'image 4 of 10 never reached the node'),
        ({'taken': [[1, 2, 3], [5, 7, 8, 9]]}, 'image 10 of 10 never reached'),
        ({'taken': [[1, 2, 3], [5, 7, 7, 8, 9, 10]]}, 'twice or in another order'),
        ({'taken': [[1, 2, 3], [5, 7, 8, 9, 11]]}, 'never sent'),
        ({'counters': {**observations().counters, 'received': 9}}, 'took 8 images, counted 9'),
        ({'counters': {**observations().counters, 'busy': 0}}, '1 images are not accounted for'),
        (
            {'counters': {**observations().counters, 'memory': 1}},
            '-1 images are not accounted for',
        ),
        ({'counters': {**observations().counters, 'bad': 2, 'busy': 0}}, '2 malformed images'),
        (
            {'counters': {**observations().counters, 'lost': 2}},
            '1 images were lost, the node counted 2',
        ),
        (
            {'counters': {**observations().counters, 'lost': 0}},
            '1 images were lost, the node counted 0',
        ),
        ({'results': [1001, 1002, 1005, 1008]}, '4 results arrived, 5 were processed'),
        ({'results': [1001, 1002, 1005, 1008, 1008]}, '1 images have two results'),
        ({'numbers': [1, 2, 3, 5, 6]}, 'are not numbered from 1 to 5'),
        ({'results': [1001, 1002, 1005, 1008, 1009]}, 'belong to malformed images'),
    ],
)
def test_whatever_does_not_add_up_is_found(changes: dict[str, Any], words: str) -> None:
    """One image too few or too many is enough."""
    from hiseg_ros.ros.soak.audit import check_counts

    _, problems = check_counts('front', observations(**changes))
    assert any(words in problem for problem in problems), problems


def test_growth_of_memory_and_threads_is_found_in_runs_that_are_long_enough() -> None:
    """A short one is still warming up."""
    from hiseg_ros.ros.soak.audit import Sample, growth

    def samples(seconds: float, mib: float, threads: int) -> list[Sample]:
        return [
            Sample(seconds * k / 100, 500 + mib * k / 100, 20 + threads * k // 100, 1.0)
            for k in range(101)
        ]

    assert growth(samples(1800, 10, 0))[1] == []
    assert growth(samples(60, 500, 50))[1] == []
    problems = growth(samples(1800, 300, 20))[1]
    assert [problem.split()[0] for problem in problems] == ['memory', 'threads']


def test_the_verb_ends_with_exit_code_1_where_something_does_not_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what."""
    from hiseg_ros.cli import soak as verb
    from hiseg_ros.ros.soak import page, run
    from hiseg_ros.ros.soak.audit import check_counts

    problems = ['front: 3 images are not accounted for']

    def pretended(plan: Any, *_: Any) -> Any:
        counts = {
            camera.name: check_counts(camera.name, observations())[0] for camera in plan.cameras
        }
        latencies: dict[str, Any] = {camera.name: [(1.0, 9.0)] for camera in plan.cameras}
        return run.Outcome(plan, counts, [], [], latencies, {}, {'model': '', 'backend': '',
                           'precision': '', 'device': ''}, problems)  # fmt: skip

    monkeypatch.setattr(run, 'soak', pretended)
    monkeypatch.setattr(verb, 'drawn', lambda seed, size: [])
    assert page is not None
    options = Namespace(
        minutes=1.0, period=30.0, output=tmp_path / 'new' / 'folder', model='', backend='auto',
        device='auto', precision='auto', input_height=0,
    )  # fmt: skip
    assert verb.run(options) == 1
    assert 'not accounted for' in capsys.readouterr().out
    assert '3 images are not accounted for' in (options.output / 'soak.md').read_text()
    problems.clear()
    assert verb.run(options) == 0


def test_a_run_too_short_for_a_fault_is_refused() -> None:
    """It would prove nothing."""
    with pytest.raises(ConfigError, match='expected at least twice'):
        small_plan(seconds=2.0)


def test_without_matplotlib_the_verb_says_what_to_install_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an hour later it would be too late."""
    from hiseg_ros.ros.soak import run

    def unexpected(*_: Any) -> None:
        pytest.fail('the run was started')

    monkeypatch.setattr(run, 'soak', unexpected)
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    assert main(['soak', '--output', str(tmp_path / 'soak')]) == 2
    said = capsys.readouterr().err
    assert said.startswith('hiseg soak: Python has no module matplotlib')
    assert 'pip install matplotlib' in said and said.count('\n') == 1
    assert not (tmp_path / 'soak').exists()


@pytest.mark.parametrize(('seconds', 'unit'), [(60.0, 's'), (1800.0, 'min')])
def test_the_figure_shows_cameras_and_process_with_every_fault_marked(
    seconds: float, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many faults some numbers are left out, their lines are not."""
    from matplotlib.figure import Figure

    from hiseg_ros.ros.soak import figure
    from hiseg_ros.ros.soak.audit import Sample
    from hiseg_ros.ros.soak.run import Outcome

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, 'savefig', lambda self, *_, **__: drawn.append(self))
    samples = [Sample(seconds * k / 10, 500.0 + k, 30, 0.5) for k in range(11)]
    faults = [{'at_s': seconds * k / 60} for k in range(1, 60)]
    outcome = Outcome(small_plan(seconds=seconds), {}, faults, samples, {}, {}, {}, [])
    rows = [
        {'at_s': seconds * k / 4, 'median_ms': 10.0 * k, 'p95_ms': 20.0 * k} for k in range(1, 5)
    ]
    figure.draw(outcome, {'front': rows, 'left': rows[:2]}, tmp_path / 'soak.png')
    (made,) = drawn
    latency, memory, threads, cores = made.axes
    assert latency.get_legend_handles_labels()[1][:2] == ['front', 'left']
    assert list(latency.lines[0].get_ydata()) == [10.0, 20.0, 30.0, 40.0]
    assert list(latency.lines[3].get_ydata()) == [20.0, 40.0]
    assert list(memory.lines[0].get_ydata()) == [sample.memory_mib for sample in samples]
    assert cores.get_xlabel() == f'time ({unit})'
    assert cores.get_xlim() == (0.0, seconds / (60 if unit == 'min' else 1))
    for axis in (memory, threads, cores):
        assert len(axis.lines) == 1 + len(faults)
        assert axis.get_ylim()[0] == 0.0
    numbers = [int(text.get_text()) for text in latency.texts]
    assert numbers == list(range(2, 60, 2))
