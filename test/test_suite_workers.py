# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The test suite's own plugins: turns of the workers, files made once, needs, the fast set."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fast_set import Refusal
from made_once import made_once
from needs import need_of_module
from turns import Turns


def test_one_that_is_alone_runs_beside_nobody_and_is_not_overtaken(tmp_path: Path) -> None:
    """Three workers: one tests, one waits to be alone, one comes later and waits behind it."""
    first, alone, later = (Turns(tmp_path) for _ in range(3))
    order: list[str] = []
    may_end = threading.Event()

    def run(turns: Turns, name: str, is_alone: bool) -> None:
        with turns.turn(is_alone):
            order.append(f'{name} begins')
            if name == 'first':
                may_end.wait(30)
            time.sleep(0.05)
            order.append(f'{name} ends')

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(run, first, 'first', False)]
        while not order:
            time.sleep(0.01)
        running.append(pool.submit(run, alone, 'alone', True))
        time.sleep(0.2)
        running.append(pool.submit(run, later, 'later', False))
        time.sleep(0.2)
        assert order == ['first begins']
        may_end.set()
        for one in running:
            one.result(30)
    assert order == [
        'first begins', 'first ends', 'alone begins', 'alone ends', 'later begins', 'later ends',
    ]  # fmt: skip
    for turns in (first, alone, later):
        turns.close()


def test_two_that_are_not_alone_run_side_by_side(tmp_path: Path) -> None:
    one, other = Turns(tmp_path), Turns(tmp_path)
    with one.turn(alone=False), other.turn(alone=False):
        pass
    one.close()
    other.close()


def test_a_folder_is_made_by_one_worker_and_after_a_failure_by_the_next(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / 'file').touch(exist_ok=False)
        time.sleep(0.05)
        if len(calls) == 1:
            raise OSError('the disk is full')

    name = f'{request.node.name}_{id(calls)}'
    with pytest.raises(OSError, match='the disk is full'):
        made_once(tmp_path_factory, name, make)
    with ThreadPoolExecutor(4) as pool:
        folders = {*pool.map(lambda _: made_once(tmp_path_factory, name, make), range(4))}
    assert len(calls) == 2
    assert [(folder / 'file').is_file() for folder in folders] == [True]


@pytest.mark.parametrize(
    ('module', 'need'),
    [
        ('torch', 'torch'),
        ('torch.nn', 'torch'),
        ('rclpy.node', 'ros'),
        ('sensor_msgs', 'ros'),
        ('hiseg_ros.msg', 'ros'),
        ('lightning', 'train'),
        ('hiseg_ros', None),
        ('hiseg_ros.no_such_module', None),
        ('torch_like', None),
    ],
)
def test_an_import_that_failed_belongs_to_a_need_or_is_an_error(
    module: str, need: str | None
) -> None:
    assert need_of_module(module) == need


def test_the_fast_set_runs_as_if_torch_were_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, 'meta_path', [Refusal(), *sys.meta_path])
    for name in [name for name in sys.modules if name.partition('.')[0] in ('timm', 'json')]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match="No module named 'timm'"):
        importlib.import_module('timm.layers')
    importlib.import_module('json')
