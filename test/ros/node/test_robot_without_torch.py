# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A robot without torch: the demo runs, from the drawn camera to the recording and the video."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiseg_ros.bags.bag import Bag
from hiseg_ros.cli.demo import LOOKED_AT

pytestmark = pytest.mark.needs('ros')

ABSENT = ('torch', 'torchvision', 'timm', 'torchmetrics', 'lightning', 'matplotlib', 'onnx')
WITHOUT = f"""
import sys

class Without:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in {ABSENT}:
            return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = map(Without, sys.meta_path)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return variables with which no Python process finds torch."""
    modules = tmp_path / 'modules'
    modules.mkdir()
    (modules / 'sitecustomize.py').write_text(WITHOUT)
    path = os.pathsep.join(filter(None, [str(modules), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': path}


def hiseg(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, '-m', 'hiseg_ros.cli', *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
    )


def test_torch_is_as_absent_as_where_it_was_never_installed(environment: dict[str, str]) -> None:
    """It is neither found nor imported; another module is."""
    program = (
        'from importlib.util import find_spec\n'
        "print([find_spec(name) is None for name in ('torch', 'torch_no', 'numpy')])\n"
        'import torch\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, env=environment
    )
    assert result.stdout == '[True, True, False]\n'
    assert "ModuleNotFoundError: No module named 'torch'" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('numba') is None, reason='no module numba')
def test_the_demo_runs_without_torch(
    tmp_path: Path, environment: dict[str, str], drive_cache: Path
) -> None:
    """The shipped network comes as a file for the runtimes that are there."""
    output = tmp_path / 'demo'
    environment |= {'XDG_CACHE_HOME': str(drive_cache)}
    result = hiseg(environment, 'demo', '--seconds', '0.4', '--output', output)
    assert result.returncode == 0, result.stderr
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['frames_processed'] >= 1
    assert (output / 'overlay.mp4').stat().st_size > 0
    with Bag(output / 'recording') as bag:
        results = {topic.name for topic in bag.topics if topic.name.startswith('/segmentation/')}
    looked_at = {f'/segmentation/{name}' for name in LOOKED_AT}
    # The drive has no camera_info.
    assert looked_at - {'/segmentation/overlay/camera_info'} <= results <= looked_at


@pytest.mark.slow
def test_a_drive_is_drawn_without_torch(tmp_path: Path, environment: dict[str, str]) -> None:
    """By the processes that the demo starts for it where it finds none."""
    program = (
        'from hiseg_ros.cli.shared.drawn_drive import DrivePlan, drawn_drive\n'
        'print(drawn_drive(plan=DrivePlan(size=(48, 96), frames=3)))\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        env={**environment, 'XDG_CACHE_HOME': str(tmp_path / 'cache')},
    )
    assert result.returncode == 0, result.stderr
    assert (Path(result.stdout.strip()) / 'metadata.yaml').is_file()


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ('openvino', 'numba')),
    reason='no module openvino or numba',
)
def test_the_benchmark_takes_a_runtime_in_float32_for_the_reference(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """A backend of torch leaves a row that says what it needs."""
    target = tmp_path / 'figures.json'
    result = hiseg(
        environment,
        'benchmark',
        '--size',
        '64x96',
        '--backend',
        'eager,openvino:int8',
        '--frames',
        '1',
        '--warm-up',
        '0',
        '--device',
        'cpu',
        '--json',
        target,
    )
    assert result.returncode == 0, result.stderr
    eager, in_int8 = json.loads(target.read_text())['engines']
    assert 'no module torch' in eager['error']
    assert in_int8['reference'] in ('onnx_runtime float32', 'openvino float32')
    assert 0.5 < in_int8['labels_equal_to_reference'] < 1.0
    assert f'the reference of the labels is `{in_int8["reference"]}`' in result.stdout


@pytest.mark.slow
def test_what_needs_torch_says_what_to_install(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """One sentence instead of a traceback."""
    (tmp_path / 'labels').mkdir()
    result = hiseg(environment, 'evaluate', '--dataset', 'drawn', '--root', tmp_path, '--limit', 1)
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    assert 'pip install "hiseg_ros[torch]"' in result.stderr
