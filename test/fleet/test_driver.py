# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The driver with workers in this process: deaths, restarts, faulty recordings, full disks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fleet_support import NamedEngine
from replay_support import contents, write_drive

from hiseg_ros.errors import ConfigError, HisegError
from hiseg_ros.fleet.driver import MAX_TRIES, Driver, Ended, FleetResult, Step
from hiseg_ros.fleet.one_by_one import replay_one_by_one
from hiseg_ros.fleet.output import FleetFolder
from hiseg_ros.fleet.sources import Source, find_sources
from hiseg_ros.fleet.worker import FleetWorker
from hiseg_ros.replay.order import OpenedOrder, ReplayOrder
from hiseg_ros.replay.replay_folder import ReplayFolder


class InlinePool:
    """Two workers that do their steps when they are waited for; deaths as a test wants them."""

    def __init__(self, output: Path, engine: NamedEngine, deaths: Sequence[int] = ()) -> None:
        self.make = lambda: FleetWorker(
            ReplayOrder(), output, 5, first_part=5, engine=engine
        )  # fmt: skip
        self.workers = [self.make(), self.make()]
        self.waiting: list[Step] = []
        self.steps: list[Step] = []
        self.deaths = set(deaths)
        self.poison: str | None = None

    def has_room(self) -> bool:
        return len(self.waiting) < len(self.workers)

    def submit(self, step: Step) -> None:
        self.waiting.append(step)

    def wait(self) -> list[Ended]:
        step = self.waiting.pop()  # the last first: steps do not end in their order
        number = len(self.steps) % 2
        self.steps.append(step)
        source: Source = step.arguments[0]
        if step.method == 'part' and source.name == self.poison:
            return [Ended(step, is_lost=True, error='killed')]
        try:
            value, error = getattr(self.workers[number], step.method)(*step.arguments), ''
        except HisegError as problem:
            value, error = None, str(problem)
        if len(self.steps) in self.deaths:  # it has done the step, and nobody was told
            self.workers[number] = self.make()
            return [Ended(step, is_lost=True, error='killed')]
        return [Ended(step, value, error)]


@pytest.fixture(scope='module')
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two robots and three drives."""
    folder = tmp_path_factory.mktemp('bags')
    for robot, name, count in (('r1', 'a', 12), ('r1', 'b', 3), ('r2', 'c', 7)):
        (folder / robot).mkdir(exist_ok=True)
        write_drive(folder / robot / name, count)
    return folder


@pytest.fixture(scope='module')
def engine(tmp_path_factory: pytest.TempPathFactory) -> NamedEngine:
    return NamedEngine(tmp_path_factory.mktemp('model'))


def finish(folder: FleetFolder, engine: NamedEngine, result: FleetResult) -> dict[str, Any]:
    facts = OpenedOrder(ReplayOrder(), engine).common_facts()
    folder.check_facts(facts)
    return folder.finish(facts, result.folders, result.failed, engine.taxonomy, None, {})


def run(
    words: Sequence[str], output: Path, pool: InlinePool, told: list[str] | None = None
) -> FleetResult:
    sources = find_sources(words)
    tell = (told if told is not None else []).append
    robots = [source.robot for source in sources]
    return Driver(sources, robots, output, pool, tell=tell).run()


@pytest.fixture(scope='module')
def expected(
    bags: Path, engine: NamedEngine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Return the files of a run without a fleet."""
    output = tmp_path_factory.mktemp('serial') / 'out'
    folder = FleetFolder(output)
    sources = find_sources([str(bags / '*/*')])
    assert [source.name for source in sources] == ['a', 'b', 'c']
    robots = [source.robot for source in sources]
    opened = OpenedOrder(ReplayOrder(), engine)
    frames: list[int] = []
    result = replay_one_by_one(opened, sources, robots, output, on_frames=frames.append)
    assert result.failed == [] and sum(frames) == 22
    metrics = finish(folder, engine, result)
    assert [row['name'] for row in metrics['by_robot']] == ['r1', 'r2']
    assert metrics['all']['frames'] == 22 and metrics['all']['drives'] == 3
    assert not (output / 'unfinished').exists()
    return shared(output)


def shared(output: Path) -> dict[str, bytes]:
    """Return the files; parts of three frames and more are files of their own in both."""
    found = contents(output)
    return {name: data for name, data in found.items() if not name.endswith('run.json')}


def test_figures_do_not_depend_on_parts_and_deaths(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """Deaths after the work and before the message are the hardest: it is done twice."""
    outputs = []
    for name, deaths in (('calm', ()), ('deadly', (1, 4, 5, 9))):
        output = tmp_path / name
        folder, told = FleetFolder(output), []
        pool = InlinePool(output, engine, deaths)
        result = run([str(bags / '*/*')], output, pool, told)
        assert result.tries == len(deaths) == len([t for t in told if 'done again' in t])
        finish(folder, engine, result)
        outputs.append(contents(output))
    assert outputs[0] == outputs[1]
    assert {'metrics.json', 'report.html', 'run.json'} <= set(outputs[0])


def test_metrics_are_those_of_one_machine(
    bags: Path, engine: NamedEngine, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Parts of this test are shorter, so that only the files of the new bags differ."""
    folder = FleetFolder(tmp_path / 'out')
    result = run([str(bags / '*/*')], tmp_path / 'out', InlinePool(tmp_path / 'out', engine))
    finish(folder, engine, result)
    found = shared(tmp_path / 'out')
    names = {n for n in found if 'replay.mcap' not in n}
    assert names == {n for n in expected if 'replay.mcap' not in n}
    assert {n: found[n] for n in names} == {n: expected[n] for n in names}


def test_a_killed_driver_goes_on_and_does_nothing_twice(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """After any number of steps."""

    class Killed(InlinePool):
        left = 0

        def wait(self) -> list[Ended]:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            return super().wait()

    output, whole = tmp_path / 'out', tmp_path / 'whole'
    folder = FleetFolder(whole)
    finish(folder, engine, run([str(bags / '*/*')], whole, InlinePool(whole, engine)))
    result, kills = None, 0
    # What is done already takes steps too: they only find its results.
    for left in (2, 5, 8, 20):
        folder, pool = FleetFolder(output), Killed(output, engine)
        pool.left = left
        try:
            result = run([str(bags / '*/*')], output, pool)
        except KeyboardInterrupt:
            kills += 1
            folder.close()
    assert result is not None and kills == 3
    finish(folder, engine, result)
    assert contents(output) == contents(whole)
    again = FleetFolder(output)
    pool = InlinePool(output, engine)
    result = run([str(bags / '*/*')], output, pool)
    assert {step.method for step in pool.steps} == {'index'}
    finish(again, engine, result)
    assert contents(output) == contents(whole)


def test_a_death_behind_the_last_figures_leaves_no_working_files(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """A replay is complete then, with its metrics, but its working files are still there."""
    output, whole = tmp_path / 'out', tmp_path / 'whole'
    folder = FleetFolder(whole)
    finish(folder, engine, run([str(bags / '*/*')], whole, InlinePool(whole, engine)))

    def die(place: ReplayFolder) -> None:
        place.release()
        raise KeyboardInterrupt

    folder = FleetFolder(output)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ReplayFolder, 'clean', die)
        run([str(bags / '*/*')], output, InlinePool(output, engine))
    folder.close()
    [half] = (output / 'drives').glob('*/unfinished')
    assert (half.parent / 'metrics.json').is_file()
    folder = FleetFolder(output)
    finish(folder, engine, run([str(bags / '*/*')], output, InlinePool(output, engine)))
    assert contents(output) == contents(whole)


def test_a_recording_that_fails_does_not_stop_the_others(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """No camera, no such bag, one that takes its worker down each time, and a copy."""
    (tmp_path / 'bags').mkdir()
    (tmp_path / 'bags/empty.mcap').write_bytes(b'no bag at all')
    shutil.copytree(bags / 'r1/a', tmp_path / 'bags/a')
    output, told = tmp_path / 'out', []
    pool = InlinePool(output, engine)
    pool.poison = 'c'
    words = [str(bags / 'r1/a'), str(tmp_path / 'bags/*'), str(tmp_path / 'gone'),
             str(bags / 'r2/c'), str(bags / 'r1/b')]  # fmt: skip
    folder = FleetFolder(output)
    result = run(words, output, pool, told)
    metrics = finish(folder, engine, result)
    assert metrics['all']['drives'] == 2
    reasons = '\n'.join(row['reason'] for row in metrics['failed'])
    assert len(metrics['failed']) == 3
    assert 'There is no recording' in reasons and 'empty.mcap: ' in reasons
    assert f'c, part 2 of 2: the worker died {MAX_TRIES} times' in reasons or (
        f'c, part 1 of 2: the worker died {MAX_TRIES} times' in reasons
    )
    assert any('is a copy of' in text for text in told)
    page = (output / 'report.html').read_text()
    assert 'Without a result' in page and 'the worker died' in page


def test_a_file_system_that_refuses_a_recording_does_not_stop_the_others(
    bags: Path, engine: NamedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one: a name that is too long, and a disk that fails within a replay."""
    plan = OpenedOrder.plan

    def faulty(opened: OpenedOrder, recordings: Any, *others: Any) -> Any:
        if recordings[0].path.name == 'c':
            raise OSError(5, 'Input/output error', 'disk')
        return plan(opened, recordings, *others)

    found = [Source('/' + 'x' * 300), *find_sources([str(bags / 'r2/c'), str(bags / 'r1/b')])]
    output, told, robots = tmp_path / 'out', [], ['r0', 'r2', 'r1']
    folder, opened = FleetFolder(output), OpenedOrder(ReplayOrder(), engine)
    with monkeypatch.context() as patch:
        patch.setattr(OpenedOrder, 'plan', faulty)
        result = replay_one_by_one(opened, found, robots, output, told.append)
    assert [name[:2] for name in result.folders] == ['b-']
    [long, faulty_disk] = [row['reason'] for row in result.failed]
    assert 'x' * 300 in long and 'expected' in long
    assert faulty_disk == (
        "c: [Errno 5] Input/output error: 'disk'; expected readable recordings and a writable "
        'output folder.'
    )
    assert {long, faulty_disk} <= set(told)
    again = replay_one_by_one(opened, found, robots, output, told.append)
    assert [name[:2] for name in again.folders] == ['c-', 'b-'] and len(again.failed) == 1
    finish(folder, engine, again)


def test_a_copy_has_the_robot_of_the_first(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """Whichever is read first, in this run and the next; one by one too."""
    for robot in ('r8', 'r9'):
        shutil.copytree(bags / 'r1/b', tmp_path / 'bags' / robot / 'b')
    words, output = [str(tmp_path / 'bags/*/b')], tmp_path / 'out'
    for _ in range(2):
        folder, told = FleetFolder(output), []
        result = run(words, output, InlinePool(output, engine), told)
        assert list(result.folders.values()) == ['r8']
        assert any('is a copy of' in text for text in told)
        finish(folder, engine, result)
    sources, opened = find_sources(words), OpenedOrder(ReplayOrder(), engine)
    serial = replay_one_by_one(opened, sources, ['r8', 'r9'], tmp_path / 'other', told.append)
    assert serial.folders == result.folders


def test_a_bag_that_vanishes_is_told_with_its_part(
    bags: Path, engine: NamedEngine, tmp_path: Path
) -> None:
    """Between two parts."""
    bag = tmp_path / 'drive'
    shutil.copytree(bags / 'r1/a', bag)

    class Vanishing(InlinePool):
        def wait(self) -> list[Ended]:
            done = [(step.method, step.arguments[0].name) for step in self.steps]
            if ('part', 'drive') in done:
                shutil.rmtree(bag, ignore_errors=True)
                self.workers = [self.make(), self.make()]
            return super().wait()

    output = tmp_path / 'out'
    folder = FleetFolder(output)
    result = run([str(bag), str(bags / 'r1/b')], output, Vanishing(output, engine))
    [failed] = result.failed
    assert failed['reason'].startswith('drive, part ') and str(bag) in failed['reason']
    assert len(result.folders) == 1
    folder.close()


def test_a_full_disk_is_a_sentence(
    bags: Path, engine: NamedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on where there is room for them."""
    from hiseg_ros.fleet import worker

    write = worker.write_text

    def full(path: Path, text: str, work: Path | None = None) -> None:
        if path.name == 'part.json' and text.count('"frame"') > 3:
            raise ConfigError(f'The file {path} cannot be written (No space left on device).')
        write(path, text, work)

    monkeypatch.setattr(worker, 'write_text', full)
    output = tmp_path / 'out'
    result = run([str(bags / 'r1/*')], output, InlinePool(output, engine))
    [failed] = result.failed
    assert 'a, part ' in failed['reason'] and 'No space left' in failed['reason']
    assert [name[:2] for name in result.folders] == ['b-']
    left = [p.name for p in (output / 'unfinished').rglob('*') if '.' in p.parent.name]
    assert left == []


def test_two_drivers_and_foreign_folders_are_refused(engine: NamedEngine, tmp_path: Path) -> None:
    first = FleetFolder(tmp_path / 'out')
    with pytest.raises(ConfigError, match='Another process is at work in'):
        FleetFolder(tmp_path / 'out')
    first.check_facts({'weights': 'a'})
    first.close()
    second = FleetFolder(tmp_path / 'out')
    with pytest.raises(ConfigError, match='another weights;.*--restart'):
        second.check_facts({'weights': 'b'})
    second.close()
    FleetFolder(tmp_path / 'out', restart=True).check_facts({'weights': 'b'})
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/thesis.tex').write_text('years of work')
    with pytest.raises(ConfigError, match=r'thesis\.tex'):
        FleetFolder(tmp_path / 'other', restart=True)
    assert [path.name for path in (tmp_path / 'other').iterdir()] == ['thesis.tex']


def test_sources_are_found_by_pattern_and_named_by_folder(bags: Path, tmp_path: Path) -> None:
    found = find_sources([f'{bags}/**', str(bags / 'r1/a')])
    assert [(source.robot, source.name) for source in found] == [
        ('r1', 'a'), ('r1', 'b'), ('r2', 'c')
    ]  # fmt: skip
    with pytest.raises(ConfigError, match='No recording fits the pattern'):
        find_sources([f'{tmp_path}/*.mcap'])
    [odd] = find_sources([str(tmp_path / 'gone.mcap')])
    assert odd.name == 'gone.mcap' and not odd.is_remote
    assert Source('s3://robots/r7/drive.mcap').robot == 'r7'


def test_the_summary_lists_the_worst_frames(expected: dict[str, bytes]) -> None:
    metrics = json.loads(expected['metrics.json'])
    [first, *_] = metrics['drives']
    values = [row['value'] for row in first['worst']['confidence']]
    assert values == sorted(values) and len(values) == 5
    lines = [
        json.loads(line)
        for line in expected[f'drives/{first["replay_folder"]}/frames.jsonl'].splitlines()
    ]
    assert values[0] == min(line['confidence']['mean'] for line in lines)
