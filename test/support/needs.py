# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: tests whose packages are missing are skipped, or fail if HISEG_REQUIRE says so.

A test names what it needs with `@pytest.mark.needs(...)`. A file that imports such a package at
its top needs no mark: it is skipped as a whole when that import fails.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
from collections.abc import Generator
from itertools import chain

import pytest

NEEDS = {
    'ros': ('rclpy', 'hiseg_ros.msg', 'sensor_msgs.msg'),
    'torch': ('torch', 'timm', 'torchmetrics'),
    'train': ('torch', 'lightning', 'matplotlib', 'tensorboard', 'torchvision'),
    'networks': ('torch', 'segmentation_models_pytorch'),
    'classical': ('skimage', 'sklearn'),
    'fleet': ('ray', 'fsspec'),
    'triton': ('triton',),
    'launch': ('launch', 'launch_ros'),
    'view': ('rerun',),
    'vision_msgs': ('vision_msgs.msg',),
    'bond': ('bond.msg',),
    'docs': ('sphinx', 'myst_parser', 'sphinx_rtd_theme'),
}
"""Modules that have to be importable, by need; 'gpu' and 'browser' are looked for otherwise."""

ALSO_INSTALLED = {
    'ros': (
        'builtin_interfaces',
        'diagnostic_msgs',
        'lifecycle_msgs',
        'rcl_interfaces',
        'std_msgs',
    ),
    'torch': ('nncf', 'onnx', 'onnxruntime', 'pynvml', 'torchvision'),
    'train': ('pydantic',),
    'classical': ('pydantic',),
}
"""Further modules that the same requirements bring, and that test files import at their top."""


NEED_OF_FIXTURE = {'tiny_checkpoint': 'torch', 'debug_run': 'train', 'ros_environment': 'ros'}
"""What the fixtures need that conftest.py defines for all tests."""


def required() -> list[str]:
    """Return the needs that have to be met here."""
    return os.environ.get('HISEG_REQUIRE', '').split()


@functools.cache
def missing_need(name: str) -> str | None:
    """Return why a need is not met here, or None."""
    if name == 'gpu':
        import torch

        return None if torch.cuda.is_available() else 'no CUDA device'
    if name == 'browser':
        from headless_browser import PROGRAMS, find_browser

        return None if find_browser() else f'none of {", ".join(PROGRAMS)} is on the PATH'
    for module in NEEDS[name]:
        try:
            importlib.import_module(module)
        except ImportError as problem:
            return f'{module} cannot be imported ({problem})'
    return None


def absent_module(name: str) -> str | None:
    """Return the first module of a need that is not installed, or None; imports none of them."""
    for module in NEEDS[name]:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return module
    return None


def needs_of(item: pytest.Item) -> list[str]:
    """Return what a test needs, by its marks and fixtures."""
    marked = [name for marker in item.iter_markers('needs') for name in marker.args]
    fixtures = getattr(item, 'fixturenames', ())
    return marked + [name for one, name in NEED_OF_FIXTURE.items() if one in fixtures]


def need_of_module(module: str) -> str | None:
    """Return the need that a module belongs to, which an import did not find, or None."""
    for name, modules in chain(NEEDS.items(), ALSO_INSTALLED.items()):
        for one in modules:
            # Without a package an import of `package.module` fails at the package.
            within = one.startswith(f'{module}.') and module != 'hiseg_ros'
            if module == one or module.startswith(f'{one}.') or within:
                return name
    return None


def pytest_report_header() -> list[str]:
    """Say which needs are not met."""
    absent = {name: absent_module(name) for name in NEEDS}
    return [
        f'skipped: tests that need {name} (no module {module})'
        for name, module in absent.items()
        if module is not None
    ]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a file of tests that cannot be imported for want of a package."""
    report = yield
    if report.outcome == 'failed' and isinstance(collector, pytest.Module):
        missing = re.search(
            r"^E +ModuleNotFoundError: No module named '([\w.]+)'", str(report.longrepr), re.M
        )
        name = missing and need_of_module(missing.group(1))
        if name and name not in required():
            report.outcome = 'skipped'
            reason = f'Skipped: needs {name}: no module {missing.group(1)}'
            report.longrepr = (str(collector.path), 1, reason)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is missing; fail it where HISEG_REQUIRE says the need is there."""
    for name in needs_of(item):
        reason = missing_need(name)
        if reason is None:
            continue
        if name in required():
            pytest.fail(f'HISEG_REQUIRE names {name!r}, but {reason}', pytrace=False)
        pytest.skip(f'needs {name}: {reason}')
