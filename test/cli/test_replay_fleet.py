# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg replay --each` and `--ray` over many bags, run again with the same and other options."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleet_support import NamedEngine
from replay_support import CAMERA, TRUTH, write_drive

from hiseg_ros.cli.__main__ import main
from hiseg_ros.cli.replay import add_arguments
from hiseg_ros.cli.shared.fleet import replay_fleet
from hiseg_ros.errors import ConfigError
from hiseg_ros.fleet import ray_pool
from hiseg_ros.fleet.driver import Ended, Step
from hiseg_ros.fleet.worker import FleetWorker
from hiseg_ros.replay.order import ReplayOrder

WAYS = ('--each', '--ray')


class OneWorker:
    """A pool whose one worker is in this process and does a step when it is waited for."""

    size = 1
    steps_left = 1000
    """Number of steps until the driver is killed."""

    def __init__(
        self, ray: Any, order: ReplayOrder, output: Path, task_frames: int, *others: Any
    ) -> None:
        self.worker = FleetWorker(order, output, task_frames)
        self.about = self.worker.about()
        self.waiting: list[Step] = []

    def has_room(self) -> bool:
        return not self.waiting

    def submit(self, step: Step) -> None:
        self.waiting.append(step)

    def wait(self) -> Sequence[Ended]:
        if OneWorker.steps_left == 0:
            raise KeyboardInterrupt
        OneWorker.steps_left -= 1
        step = self.waiting.pop()
        return [Ended(step, getattr(self.worker, step.method)(*step.arguments))]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return a function that replays with a quick engine and returns what metrics.json says."""
    engine = NamedEngine(tmp_path)
    monkeypatch.setattr(ReplayOrder, 'engine', lambda order: engine)
    monkeypatch.setattr(ray_pool, 'connect', lambda address: SimpleNamespace(shutdown=list))
    monkeypatch.setattr(ray_pool, 'RayPool', OneWorker)
    monkeypatch.setattr(OneWorker, 'steps_left', OneWorker.steps_left)

    def replay(*words: str, code: int = 0) -> dict[str, Any]:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        options = parser.parse_args([*words, '--output', str(tmp_path / 'out')])
        order = ReplayOrder(topics=tuple(options.topic), device='cpu')
        assert replay_fleet(options, order) == code
        found: dict[str, Any] = json.loads((tmp_path / 'out/metrics.json').read_text())
        return found

    return replay


@pytest.fixture
def bags(tmp_path: Path) -> Path:
    """Return a folder with one drive of one robot."""
    (tmp_path / 'bags/r1').mkdir(parents=True)
    write_drive(tmp_path / 'bags/r1/a', 6)
    return tmp_path / 'bags'


@pytest.mark.parametrize('way', WAYS)
def test_another_topic_is_refused(
    way: str, bags: Path, run: Callable[..., dict[str, Any]]
) -> None:
    """Figures of two cameras do not mix; the same topics in another order are the same."""
    words = (f'{bags}/*/*', way)
    first = run(*words, '--topic', CAMERA, '--topic', TRUTH)
    assert run(*words, '--topic', TRUTH, '--topic', CAMERA, '--topic', TRUTH) == first
    for topics in (['--topic', TRUTH], []):
        with pytest.raises(ConfigError, match='have another topics; .*--restart'):
            run(*words, *topics)
    assert run(*words, '--topic', TRUTH, '--restart')['all']['frames'] == 6


def test_another_topic_is_refused_where_a_recording_was_only_read(
    bags: Path, run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver was killed before the first part."""
    words = (f'{bags}/*/*', '--ray')
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OneWorker, 'steps_left', 1)
        run(*words, '--topic', CAMERA)
    with pytest.raises(ConfigError, match='have another topics; .*--restart'):
        run(*words, '--topic', TRUTH)
    assert run(*words, '--topic', CAMERA)['all']['frames'] == 6


@pytest.mark.parametrize('way', WAYS)
def test_a_folder_of_a_run_without_topics_stays_usable(
    way: str, bags: Path, tmp_path: Path, run: Callable[..., dict[str, Any]]
) -> None:
    """Its run.json may have been written before topics were in it."""
    first = run(f'{bags}/*/*', way)
    known = json.loads((tmp_path / 'out/run.json').read_text())
    known.pop('topics', None)
    (tmp_path / 'out/run.json').write_text(json.dumps(known))
    assert run(f'{bags}/*/*', way) == first


@pytest.mark.parametrize('way', WAYS)
def test_robots_are_those_of_the_last_run(
    way: str, bags: Path, run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of drives that are done, and of those that an earlier run has only read."""
    words = (f'{bags}/*/*', way)
    if way == '--ray':
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(OneWorker, 'steps_left', 1)
            run(*words, '--robot', '/(bags)/')
    for pattern, robot in (('/(r.)/', 'r1'), ('/(r)', 'r')):
        metrics = run(*words, '--robot', pattern)
        assert [row['name'] for row in metrics['by_robot']] == [robot]
        assert [row['robot'] for row in metrics['drives']] == [robot]


@pytest.mark.parametrize('way', WAYS)
def test_its_own_results_are_not_replayed(
    way: str, bags: Path, tmp_path: Path, run: Callable[..., dict[str, Any]]
) -> None:
    """The output folder is below the pattern, and a bag's folder is called like a file."""
    write_drive(bags / 'r2/x.mcap', 3)
    words = (f'{tmp_path}/**/*.mcap', way)
    first = run(*words)
    assert (first['all']['drives'], first['all']['frames']) == (2, 9)
    data = (tmp_path / 'out/metrics.json').read_bytes()
    assert run(*words) == first
    assert (tmp_path / 'out/metrics.json').read_bytes() == data
    assert len(list((tmp_path / 'out/drives').iterdir())) == 2


@pytest.mark.parametrize('verb', ['replay', 'predict', 'evaluate'])
@pytest.mark.parametrize('option', ['--worker-cpus', '--worker-gpus'])
@pytest.mark.parametrize('value', ['-1', 'nan', 'inf', 'two'])
def test_a_share_that_no_worker_can_reserve_is_a_usage_error(
    verb: str, option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, 'x', '--output', str(tmp_path / 'out'), '--ray', option, value])
    assert caught.value.code == 2
    sentence = f"argument {option}: must be a number of at least 0, not '{value}'"
    assert sentence in capsys.readouterr().err
