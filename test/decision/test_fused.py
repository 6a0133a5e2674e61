# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The kernel of the decision in the interpreter of Triton, and on a GPU if there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs('torch', 'triton')

CASES = Path(__file__).resolve().parents[1] / 'support' / 'fused_cases.py'


def outcome(device: str, cases: int, **variables: str) -> dict[str, float]:
    """Run the cases in a process of their own and return what they print."""
    result = subprocess.run(
        [sys.executable, str(CASES), device, str(cases)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
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

    with pytest.warns(
        RuntimeWarning, match='slower reference decision is used: .*cannot run on cpu'
    ):
        decision = decision_on_gpu(load_taxonomy('street'), torch.device('cpu'))
    assert isinstance(decision, DenseDecision)


class Launches:
    """Stands for the kernel: notes how Triton would treat each argument on a GPU.

    Needs none. Launches whose arguments are treated alike share one compiled kernel.
    """

    def __init__(self, kernel: Any) -> None:
        from triton.backends.compiler import GPUTarget
        from triton.backends.nvidia.compiler import CUDABackend
        from triton.runtime.jit import create_function_from_signature

        self.target = GPUTarget('cuda', 80, 32)
        self._bind = create_function_from_signature(
            kernel.signature, kernel.params, CUDABackend(self.target)
        )
        self.arguments: dict[str, Any] = {}
        self.treatment: dict[str, Any] = {}

    def __getitem__(self, programs: object) -> Any:
        """Return what launches so many programs."""

        def launch(*arguments: Any, **options: Any) -> None:
            self.arguments, kinds, _ = self._bind(*arguments, debug=False, **options)
            self.treatment = dict(zip(self.arguments, kinds, strict=True))

        return launch


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Launches]:
    """Return the kernel, and what is launched in its place."""
    import torch

    from hiseg_ros.decision import fused

    kernel = fused._walk
    noted = Launches(kernel)
    monkeypatch.setattr(fused, '_walk', noted)
    monkeypatch.setattr(torch.cuda, 'device_of', lambda tensor: nullcontext())
    return kernel, noted


def launch(shape: tuple[int, ...], size: tuple[int, int], **wanted: bool) -> None:
    """Decide the last image of a batch."""
    import torch

    from hiseg_ros.decision.fused import DeviceTables, decide_fused

    tables = DeviceTables(*(torch.zeros(5, dtype=torch.int32) for _ in range(4)))
    decide_fused(torch.zeros(shape)[-1:], tables, size, 0.3, **wanted)


def test_one_compiled_kernel_serves_every_size_and_place_in_a_batch(
    launches: tuple[Any, Launches],
) -> None:
    """Also where a number is 1 or a multiple of 16; each choice of results has its own."""
    _, noted = launches
    launch((1, 9, 5, 7), (40, 56))
    first = noted.treatment
    for shape, size in (((2, 9, 1, 16), (512, 1024)), ((3, 9, 1, 1), (1, 1))):
        launch(shape, size)
        assert noted.treatment == first
    launch((1, 9, 5, 7), (40, 56), want_labels=False)
    assert noted.treatment != first


def test_the_kernel_compiles_for_a_gpu(launches: tuple[Any, Launches]) -> None:
    """Triton's compiler takes what its interpreter takes; what is not wanted is not stored."""
    import triton
    from triton.compiler import ASTSource

    kernel, noted = launches
    stores = []
    for want_labels in (True, False):
        launch((1, 9, 5, 7), (40, 56), want_labels=want_labels)
        kinds = {name: kind for name, (kind, _) in noted.treatment.items()}
        constants = {
            (place,): noted.arguments[name]
            for place, (name, kind) in enumerate(kinds.items())
            if kind == 'constexpr'
        }
        source = ASTSource(fn=kernel, signature=kinds, constexprs=constants)
        program = triton.compile(source, target=noted.target).asm['ptx']
        stores.append(program.count('st.global'))
    assert stores[0] == 2 * stores[1] > 0


def test_images_that_nobody_wants_have_no_memory(launches: tuple[Any, Launches]) -> None:
    _, noted = launches
    launch((1, 9, 5, 7), (40, 56), want_confidence=False)
    assert noted.arguments['labels'].shape == (1, 40, 56)
    assert noted.arguments['confidence'].numel() == 0
