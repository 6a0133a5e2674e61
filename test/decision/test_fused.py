# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The GPU kernel of the decision: its arithmetic on the CPU, itself where there is a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs('torch', 'triton')

CASES = Path(__file__).with_name('fused_cases.py')


def outcome(device: str, cases: int, **variables: str) -> dict[str, float]:
    """Run the cases in a process of their own and return what they print."""
    result = subprocess.run(
        [sys.executable, str(CASES), device, str(cases)],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=300,
    )
    assert result.returncode == 0, result.stderr
    printed: dict[str, float] = json.loads(result.stdout)
    return printed


def test_the_interpreted_kernel_decides_as_the_reference() -> None:
    """On random trees, grids, sizes and thresholds: labels but for near ties, confidence to 1."""
    found = outcome('cpu', 8, TRITON_INTERPRET='1')
    assert found['pixels'] > 5000
    assert found['wrong'] == 0
    assert found['confidence_off'] <= 1
    assert found['ties_wrong'] == 0
    assert found['engine_wrong'] < 0.01


@pytest.mark.needs('gpu')
def test_the_kernel_decides_as_the_reference_on_a_gpu() -> None:
    """The same, compiled."""
    found = outcome('cuda', 200)
    assert found['wrong'] == 0
    assert found['confidence_off'] <= 1
    assert found['ties_wrong'] == 0
    assert found['engine_wrong'] < 0.01


def test_probabilities_in_another_memory_order_are_refused() -> None:
    """Before the kernel reads beyond a plane."""
    import torch

    from hiseg_ros.decision.fused import DeviceTables, decide_fused
    from hiseg_ros.taxonomy import load_taxonomy

    taxonomy = load_taxonomy('street')
    turned = torch.zeros(1, len(taxonomy), 4, 6).transpose(2, 3)
    with pytest.raises(ValueError, match='contiguous'):
        decide_fused(turned, DeviceTables.of(taxonomy, 'cpu'), (8, 8))


def test_where_the_kernel_cannot_run_the_reference_decides_and_says_so() -> None:
    """Here: no GPU that Triton could compile for."""
    import torch

    from hiseg_ros.inference.decisions import DenseDecision, decision_on_gpu
    from hiseg_ros.taxonomy import load_taxonomy

    with pytest.warns(RuntimeWarning, match='slower reference decides: .*cannot run on cpu'):
        decision = decision_on_gpu(load_taxonomy('street'), torch.device('cpu'))
    assert isinstance(decision, DenseDecision)
