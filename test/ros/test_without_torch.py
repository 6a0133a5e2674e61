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

pytestmark = pytest.mark.needs('ros')

ABSENT = ('torch', 'torchvision', 'timm', 'torchmetrics', 'lightning', 'matplotlib', 'onnx')
REFUSAL = f"""
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {ABSENT}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Refusal())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return variables with which no Python process finds torch."""
    modules = tmp_path / 'modules'
    modules.mkdir()
    (modules / 'sitecustomize.py').write_text(REFUSAL)
    path = os.pathsep.join(filter(None, [str(modules), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': path}


def hiseg(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, '-m', 'hiseg_ros.cli', *map(str, arguments)],
        capture_output=True, text=True, timeout=240, env=environment,
    )


@pytest.mark.skipif(importlib.util.find_spec('numba') is None, reason='no module numba')
def test_the_demo_runs_without_torch(tmp_path: Path, environment: dict[str, str]) -> None:
    """The shipped network comes as a file for the runtimes that are there."""
    output = tmp_path / 'demo'
    result = hiseg(environment, 'demo', '--seconds', '0.4', '--output', output)
    assert result.returncode == 0, result.stderr
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['frames_processed'] >= 1
    assert (output / 'overlay.mp4').stat().st_size > 0


def test_what_needs_torch_says_what_to_install(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """One sentence instead of a traceback."""
    (tmp_path / 'labels').mkdir()
    result = hiseg(
        environment, 'evaluate', '--dataset', 'drawn', '--root', tmp_path, '--limit', 1
    )
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    assert 'pip install "hiseg_ros[torch]"' in result.stderr
