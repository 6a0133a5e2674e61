# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Name and instructions of the CPU, from what the kernel writes about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.inference import processor

CPUINFO = """processor\t: 0
model name\t: Example  CPU @ 2.0GHz
flags\t\t: fpu sse2 avx2

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""


@pytest.mark.parametrize(('text', 'is_first'), [(CPUINFO, True), (CPUINFO[80:], False)])
def test_the_first_core_stands_for_all(
    text: str, is_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, 'CPUINFO', tmp_path / 'cpuinfo')
    processor.CPUINFO.write_text(text)
    assert ('avx2' in processor.processor_flags()) is is_first
    assert processor.processor_name() == ('Example CPU @ 2.0GHz' if is_first else 'Another')


def test_a_system_without_that_file_has_a_name_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, 'CPUINFO', tmp_path / 'none')
    assert processor.processor_name()
    assert not processor.processor_flags()


@pytest.mark.parametrize(('flag', 'expected'), [('amx_bf16', True), ('avx512_bf16', False)])
def test_bfloat16_is_fast_with_products_of_matrices(
    flag: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of bfloat16 alone are slower than float32."""
    monkeypatch.setattr(processor, 'CPUINFO', tmp_path / 'cpuinfo')
    processor.CPUINFO.write_text(CPUINFO.replace('avx2', flag))
    assert processor.has_fast_bfloat16() is expected
