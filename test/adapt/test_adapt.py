# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg adapt` on a drawn drive: what it writes, and what it refuses to call better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_adaptation import STEPS, command

pytestmark = [
    pytest.mark.needs('torch', 'train'),
    pytest.mark.slow,
    pytest.mark.usefixtures('small'),
]
pytest.importorskip('lightning')

from hiseg_ros.adapt import adapt as steps  # noqa: E402
from hiseg_ros.adapt import verdict  # noqa: E402
from hiseg_ros.cli.__main__ import main  # noqa: E402
from hiseg_ros.cli.adapt import REFUSED  # noqa: E402
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402


def test_weights_card_and_page_are_written_and_a_second_start_has_nothing_to_do(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / 'out' / 'mine.safetensors'
    given = command(drive, output, tiny_checkpoint, cache)
    assert main(given) == 0
    said = capsys.readouterr().out
    assert '19 of 24 images to learn from, 5 held back to check on' in said
    assert f'weights: {output}' in said
    old, new = load_checkpoint(tiny_checkpoint), load_checkpoint(output)
    new.build()
    assert new.taxonomy.digest == old.taxonomy.digest and new.network == old.network
    moved = {name for name in new.state if not np.array_equal(new.state[name], old.state[name])}
    assert any(name.startswith('backbone') for name in moved)
    statistics = [name for name in new.state if name.endswith(('running_mean', 'running_var'))]
    assert statistics and not moved & set(statistics), 'batch norms keep their statistics'
    facts = new.card['adaptation']
    assert facts['learnt'] == 19 and facts['steps'] == STEPS and facts['recordings'] == ['bag']
    assert new.card['name'] == 'mine' and new.card['scores'] == {}
    assert str(tmp_path) not in json.dumps(dict(new.card)), 'no folder of this machine'
    page = output.with_suffix('.html').read_text()
    assert page.count('data:image/jpeg') == 3 * 5 and 'Accepted' in page
    card = output.with_suffix('.md').read_text()
    assert 'labels that stay from frame to frame' in card and 'Refused' not in card
    assert not output.with_suffix('.refused.safetensors').exists()
    content = output.read_bytes()
    monkeypatch.setattr(steps, '_checked', None)
    monkeypatch.setattr(steps, 'plan_steps', None)
    assert main(given) == 0
    assert output.read_bytes() == content
    # Other settings in the same folder are another adaptation.
    assert main([*given, '--frames', '10']) == 2
    assert 'with other settings (frames: 200 -> 10)' in capsys.readouterr().err


def test_worse_weights_are_refused_and_the_old_ones_stay(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verdict, 'MOST_FORGOTTEN', -1.0)
    output = tmp_path / 'mine.safetensors'
    assert main(command(drive, output, tiny_checkpoint, cache)) == REFUSED == 4
    said = capsys.readouterr().out
    assert 'refused, since they are worse' in said and 'the source score fell' in said
    assert output.read_bytes() == tiny_checkpoint.read_bytes()
    refused = load_checkpoint(tmp_path / 'mine.refused.safetensors')
    assert refused.card['adaptation']['steps'] == STEPS
    assert 'Refused' in output.with_suffix('.html').read_text()
    assert '**Refused**' in output.with_suffix('.md').read_text()
