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


@pytest.mark.parametrize(('text', 'has_int8'), [(CPUINFO, True), (CPUINFO[80:], False)])
def test_the_first_core_stands_for_all(
    text: str, has_int8: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, 'CPUINFO', tmp_path / 'cpuinfo')
    processor.CPUINFO.write_text(text)
    assert processor.has_int8() is has_int8
    assert processor.processor_name() == ('Example CPU @ 2.0GHz' if has_int8 else 'Another')


def test_a_system_without_that_file_has_a_name_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, 'CPUINFO', tmp_path / 'none')
    assert processor.processor_name()
    assert not processor.has_int8()
