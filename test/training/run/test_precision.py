# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`precision: auto` computes in bfloat16 where the device has it, and in float32 elsewhere."""

from __future__ import annotations

import pytest
import torch

from hiseg_ros.training.run import precision
from hiseg_ros.training.run.precision import chosen_precision, has_bfloat16, precision_advice


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the flags of a CPU beside which there is no GPU; to be filled."""
    found: list[str] = ['avx2']
    monkeypatch.setattr(precision, 'processor_flags', lambda: frozenset(found))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    return found


@pytest.mark.parametrize('flag', ['avx512_bf16', 'amx_bf16'])
def test_auto_takes_bfloat16_where_the_cpu_has_it(flags: list[str], flag: str) -> None:
    """The flags are those of CPUs that multiply in bfloat16."""
    assert chosen_precision('auto', 'cpu') == '32-true'
    assert not has_bfloat16('auto')
    flags.append(flag)
    assert chosen_precision('auto', 'cpu') == 'bf16-mixed'
    assert has_bfloat16('auto')


def test_auto_asks_the_gpu_unless_the_cpu_is_named(
    flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that imitates bfloat16 gets float32."""
    has_it = [True]
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(
        torch.cuda, 'is_bf16_supported', lambda including_emulation=True: has_it[0]
    )
    assert chosen_precision('auto', 'auto') == 'bf16-mixed'
    assert chosen_precision('auto', 'cpu') == '32-true'
    has_it[0] = False
    assert chosen_precision('auto', 'gpu') == '32-true'


def test_what_a_user_asks_for_is_kept_and_commented(flags: list[str]) -> None:
    """bf16-mixed is taken where it is slow, with a sentence that says what to do."""
    assert chosen_precision('bf16-mixed', 'cpu') == 'bf16-mixed'
    assert chosen_precision('32-true', 'cpu') == '32-true'
    assert 'auto or 32-true' in precision_advice('bf16-mixed', 'cpu')
    assert not precision_advice('auto', 'cpu')
    flags.append('avx512_bf16')
    assert not precision_advice('bf16-mixed', 'cpu')
