# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The soak run, shortened: faults while images come, and books that balance to the last image."""

from __future__ import annotations

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import RgbImage

pytestmark = pytest.mark.needs('ros')

SMALL = {'front': ((48, 80), (60, 64)), 'left': ((60, 64), (48, 80)), 'rear': ((36, 48), (48, 80))}


def small_plan(**changes: Any) -> Any:
    """Return a plan of small images that breaks something every two seconds."""
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


def test_a_short_soak_run_accounts_for_every_image(tmp_path: Path) -> None:
    """With each kind of fault once."""
    from hiseg_ros.ros.soak.faults import FAULTS
    from hiseg_ros.ros.soak.page import write
    from hiseg_ros.ros.soak.run import soak

    plan = small_plan()
    outcome = soak(plan, shown(plan), tmp_path / 'logs')
    assert list(outcome.problems) == []
    assert [fault['name'] for fault in outcome.faults] == [fault.name for fault in FAULTS]
    for ledger in outcome.ledgers.values():
        assert ledger.unexplained == 0
        assert ledger.processed > 10
        assert ledger.away > 0, 'it was disabled for a while'
    assert outcome.ledgers['left'].bad > 0, 'it sent garbage'
    assert outcome.ledgers['left'].unwanted > 0, 'nobody read'
    assert outcome.ledgers['rear'].lost + outcome.ledgers['rear'].busy > 0, 'there was a burst'
    assert len(outcome.samples) > 8

    write(outcome, tmp_path)
    content = json.loads((tmp_path / 'soak.json').read_text())
    assert content['is_good']
    assert content['cameras']['left']['unexplained'] == 0
    assert content['facts']['model'] == 'street_lite.onnx'
    text = (tmp_path / 'soak.md').read_text()
    assert 'Every image is accounted for' in text
    assert 'Sent = told not to listen + lost + received' in text
    assert str(tmp_path) not in text
    assert (tmp_path / 'soak.png').read_bytes().startswith(b'\x89PNG')


def test_a_node_that_cannot_be_configured_is_an_error_and_no_wait(tmp_path: Path) -> None:
    """Its own sentence is passed on."""
    from hiseg_ros.ros.soak.run import soak

    plan = small_plan(model=str(tmp_path / 'none.onnx'), startup_s=5.0)
    with pytest.raises(ConfigError, match='none.onnx'):
        soak(plan, shown(plan), tmp_path / 'logs')


def books(**changes: Any) -> Any:
    """Return books that balance: ten images, one while away, one lost, one garbage."""
    from hiseg_ros.ros.soak.audit import CameraBooks, Sent

    values: dict[str, Any] = {
        'sent': [Sent(float(number), 1000 + number, number != 9) for number in range(1, 11)],
        'taken': [[1, 2, 3], [5, 7, 8, 9, 10]],
        'counters': {'received': 8, 'processed': 5, 'busy': 1, 'stale': 0, 'bad': 1,
                     'unwanted': 0, 'stopped': 1, 'memory': 0, 'lost': 1},
        'results': [1001, 1002, 1005, 1008, 1010],
        'numbers': [1, 2, 3, 4, 5],
        'away': [(3.5, 4.5)],
    }  # fmt: skip
    return CameraBooks(**{**values, **changes})


def test_books_that_balance_have_no_problem() -> None:
    """Each image stands under one heading."""
    from hiseg_ros.ros.soak.audit import balance

    ledger, problems = balance('front', books())
    assert problems == []
    assert (ledger.sent, ledger.away, ledger.lost, ledger.received) == (10, 1, 1, 8)
    assert ledger.unexplained == 0


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'away': []}, 'image 4 of 10 never reached the node'),
        ({'taken': [[1, 2, 3], [5, 7, 8, 9]]}, 'image 10 of 10 never reached'),
        ({'taken': [[1, 2, 3], [5, 7, 7, 8, 9, 10]]}, 'twice or in another order'),
        ({'taken': [[1, 2, 3], [5, 7, 8, 9, 11]]}, 'never sent'),
        ({'counters': {**books().counters, 'received': 9}}, 'took 8 images, counted 9'),
        ({'counters': {**books().counters, 'busy': 0}}, '1 images are under no heading'),
        ({'counters': {**books().counters, 'memory': 1}}, '-1 images are under no heading'),
        ({'counters': {**books().counters, 'bad': 2, 'busy': 0}}, '2 images malformed'),
        ({'counters': {**books().counters, 'lost': 2}}, '1 images never came, the node counted 2'),
        ({'counters': {**books().counters, 'lost': 0}}, '1 images never came, the node counted 0'),
        ({'results': [1001, 1002, 1005, 1008]}, '4 results arrived, 5 were processed'),
        ({'results': [1001, 1002, 1005, 1008, 1008]}, '1 images have two results'),
        ({'numbers': [1, 2, 3, 5, 6]}, 'do not count from 1 to 5'),
        ({'results': [1001, 1002, 1005, 1008, 1009]}, 'not sent or garbage'),
    ],
)
def test_whatever_does_not_add_up_is_found(changes: dict[str, Any], words: str) -> None:
    """One image too few or too many is enough."""
    from hiseg_ros.ros.soak.audit import balance

    _, problems = balance('front', books(**changes))
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
    from hiseg_ros.ros.soak.audit import balance

    problems = ['front: 3 images are under no heading']

    def pretended(plan: Any, *_: Any) -> Any:
        ledgers = {camera.name: balance(camera.name, books())[0] for camera in plan.cameras}
        latencies: dict[str, Any] = {camera.name: [(1.0, 9.0)] for camera in plan.cameras}
        return run.Outcome(plan, ledgers, [], [], latencies, {}, {'model': '', 'backend': '',
                           'precision': '', 'device': ''}, problems)  # fmt: skip

    monkeypatch.setattr(run, 'soak', pretended)
    monkeypatch.setattr(verb, 'drawn', lambda seed, size: [])
    assert page is not None
    options = Namespace(
        minutes=1.0, period=30.0, output=tmp_path / 'new' / 'folder', model='', backend='auto',
        device='auto', precision='auto', input_height=0,
    )  # fmt: skip
    assert verb.run(options) == 1
    assert 'under no heading' in capsys.readouterr().out
    assert '3 images are under no heading' in (options.output / 'soak.md').read_text()
    problems.clear()
    assert verb.run(options) == 0


def test_a_run_too_short_for_a_fault_is_refused() -> None:
    """It would prove nothing."""
    with pytest.raises(ConfigError, match='expected at least twice'):
        small_plan(seconds=2.0)


def test_ticks_are_round_and_few() -> None:
    """Whatever the span."""
    from hiseg_ros.ros.soak.curves import ticks

    assert ticks(0, 100, 5) == [0, 20, 40, 60, 80, 100]
    assert ticks(0, 30, 10) == [0, 5, 10, 15, 20, 25, 30]
    assert [round(tick, 6) for tick in ticks(0, 0.37, 4)] == [0, 0.1, 0.2, 0.3]
