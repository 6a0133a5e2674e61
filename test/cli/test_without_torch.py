# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Verbs that run the exported network: torch, which takes seconds and 700 MB, is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.images import write_image

PROGRAM = """
import sys
from hiseg_ros.cli.__main__ import main
code = main(sys.argv[1:])
heavy = [name for name in ('torch', 'torchmetrics', 'lightning', 'rclpy') if name in sys.modules]
print('exit code', code, 'imported', heavy)
"""


def imported_by(*arguments: str) -> str:
    """Return what the program above says after it has run a verb."""
    command = [sys.executable, '-c', PROGRAM, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.stdout, result.stderr
    return result.stdout.strip().splitlines()[-1]


@pytest.fixture
def image() -> np.ndarray:
    """Return a small image of coloured noise."""
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.mark.slow
def test_predict_imports_no_torch(image: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / 'street.png', image)
    said = imported_by(
        'predict', str(tmp_path / 'street.png'), '--output', str(tmp_path / 'out'),
        '--device', 'cpu',
    )  # fmt: skip
    assert said == 'exit code 0 imported []'
    assert (tmp_path / 'out' / 'street_labels.png').is_file()


@pytest.mark.slow
def test_replay_without_ground_truth_imports_no_torch(image: np.ndarray, tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', [Frame(image, None)] * 2, 10.0)
    said = imported_by(
        'replay', str(tmp_path / 'bag'), '--output', str(tmp_path / 'out'), '--device', 'cpu'
    )
    assert said == 'exit code 0 imported []'
    assert (tmp_path / 'out' / 'report.html').is_file()
