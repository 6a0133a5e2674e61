# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: `--fast` runs what needs neither torch nor a ROS graph and takes no time.

What is left out follows from the tests themselves: files that import torch or what trains (the
imports are refused, as on a robot), tests marked `needs` of those or `slow`, and tests that use
the fixture of a ROS domain. A test that is slow without being marked so is named at the end.
"""

from __future__ import annotations

import importlib.abc
import os
import sys
from collections.abc import Generator

import pytest
from needs import ALSO_INSTALLED, NEEDS, needs_of

MODULES = {
    module
    for name in ('torch', 'train')
    for module in (*NEEDS[name], *ALSO_INSTALLED[name])
    if module != 'matplotlib'  # draws the soak test's figure, too
}
LEFT_OUT = {'torch', 'train', 'triton', 'gpu', 'browser', 'launch', 'docs'}
FIXTURE = 'ros_environment'
CPU = 'cpu_s'
SLOW_S = 5.0
"""More than the mark says: the first test of a file may pay for what the others find."""


class Refusal(importlib.abc.MetaPathFinder):
    """Refuses to import modules that a robot does not have."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for one of `MODULES` and what is in it."""
        if name.partition('.')[0] in MODULES:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --fast."""
    parser.addoption(
        '--fast',
        action='store_true',
        help='only tests that need neither torch nor a ROS graph and are not marked slow',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse torch before a file of tests is imported."""
    if config.getoption('fast'):
        sys.meta_path.insert(0, Refusal())
        config.pluginmanager.register(FastSet(), 'hiseg_fast_set')


class FastSet:
    """The hooks of a fast run."""

    def __init__(self) -> None:
        """Start with no slow test."""
        self.slow: dict[str, float] = {}

    def pytest_report_header(self) -> str:
        """Say what is left out."""
        return (
            'fast: left out are files and tests that need torch, training, a browser, launch or a '
            'ROS graph, and those marked slow; `make test` runs all'
        )

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect what is not fast."""
        left_out = [item for item in items if not is_fast(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_fast(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the time of the processors, which does not depend on what else is running."""
        before = sum(os.times()[:4])
        try:
            return (yield)
        finally:
            item.user_properties.append((CPU, sum(os.times()[:4]) - before))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a slow test."""
        seconds = dict(report.user_properties).get(CPU, 0.0)
        if isinstance(seconds, float) and seconds > SLOW_S:
            self.slow[report.nodeid] = seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the slow tests."""
        for name, seconds in sorted(self.slow.items(), key=lambda one: -one[1]):
            terminalreporter.write_line(f'to be marked slow: {name} ({seconds:.1f} s)')


def is_fast(item: pytest.Item) -> bool:
    """Return whether a test belongs to the fast set."""
    fixtures = getattr(item, 'fixturenames', ())
    is_slow = item.get_closest_marker('slow') is not None
    return not (is_slow or FIXTURE in fixtures or LEFT_OUT & {*needs_of(item)})
