# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whole runs that learn from a target: weight 0, resuming, collapse, bad numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_once import made_once
from small_runs import assert_same_weights, stop_after, tensors
from target_images import adapted, draw_target

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.training.adaptation import adversarial
from hiseg_ros.training.config.experiment import TrainingConfig, ValidationConfig
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')

NORMS = {'running_mean', 'running_var', 'num_batches_tracked'}


@pytest.fixture(scope='module')
def short(config: TrainingConfig) -> TrainingConfig:
    """Return a run of two epochs of one step, without validation."""
    nothing = ValidationConfig('')
    return replace(config, steps=2, steps_per_epoch=1, validation=nothing)


@pytest.fixture(scope='module')
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of target images."""
    return made_once(tmp_path_factory, 'target', lambda folder: draw_target(folder / 'images'))


@pytest.fixture(scope='module')
def source_only(short: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of the run without a target."""
    return train(short, tmp_path_factory.mktemp('source'), accelerator='cpu')


def run(config: TrainingConfig, target: Path, method: str, **settings: Any) -> TrainingConfig:
    """Return an adapted run; discriminators see whole images, since the crop is small."""
    seen: dict[str, Any] = {}
    if method in ('feature', 'output', 'multi_level', 'entropy'):
        seen = {'discriminator_sees': 'image'}
    return adapted(config, target, method, **{'from_step': 0, **seen, **settings})


@pytest.mark.parametrize(
    'method', ['output', 'multi_level', 'feature', 'entropy', 'classmix', 'node_labels']
)
def test_at_weight_0_all_weights_are_those_of_source_only(
    short: TrainingConfig, target: Path, source_only: Path, tmp_path: Path, method: str
) -> None:
    """Bit by bit, but for norm statistics where the target passes the norms."""
    extra = {'auxiliary_weight': 0.0} if method == 'multi_level' else {}
    config = run(short, target, method, weight=0.0, **extra)
    before = tensors(source_only)
    after = tensors(train(config, tmp_path / 'run', accelerator='cpu'))
    assert list(before) == list(after)  # no discriminator and no teacher in the file
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rpartition('.')[2] for name in changed} <= NORMS
    assert bool(changed) == (method not in ('classmix', 'node_labels'))


@pytest.mark.parametrize(
    ('method', 'settings'),
    [
        ('multi_level', {'weight': 0.1}),
        ('classmix', {'fda_beta': 0.05, 'teacher_decay': 0.5}),
        ('node_labels', {'threshold': 0.51}),
    ],
)
def test_a_resumed_run_is_the_uninterrupted_one(
    short: TrainingConfig,
    target: Path,
    source_only: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    settings: dict[str, Any],
) -> None:
    """Discriminators, their optimiser, the teacher and the draws of mixtures included."""
    config = run(short, target, method, **settings)
    whole = train(config, tmp_path / 'whole', accelerator='cpu')
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 1)
        train(config, tmp_path / 'cut', accelerator='cpu')
    assert_same_weights(whole, train(config, tmp_path / 'cut', accelerator='cpu'))
    before, after = tensors(source_only), tensors(whole)
    assert any(
        not torch.equal(before[name], after[name])
        for name in before
        if name.rpartition('.')[2] not in NORMS
    )


def test_the_target_may_have_norm_statistics_of_its_own(
    short: TrainingConfig, target: Path, tmp_path: Path
) -> None:
    config = replace(run(short, target, 'output'), dataset_norm=True, exported_norm='target')
    weights = train(config, tmp_path / 'run', accelerator='cpu')
    own = tensors(weights.with_name('small.target.safetensors'))
    source = tensors(weights.with_name('small.camvid.safetensors'))
    assert_same_weights(weights, weights.with_name('small.target.safetensors'))
    assert any(not torch.equal(own[name], source[name]) for name in own if 'mean' in name)
    assert all(
        torch.equal(own[name], source[name])
        for name in own
        if name.rpartition('.')[2] not in NORMS
    )


def test_a_collapsed_discriminator_ends_the_run_and_the_last_good_weights_stay(
    short: TrainingConfig,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(adversarial, 'COLLAPSED', 10.0)
    config = run(short, target, 'output', from_step=1)
    weights = train(config, tmp_path / 'run', accelerator='cpu')
    said = load_checkpoint(weights).card['adaptation']['ended_early']
    assert 'tells source and target apart with certainty at step 1' in said
    assert said.endswith('The weights of step 1, the last ones before, are kept.')
    assert said in ''.join(capsys.readouterr())
    with pytest.raises(ConfigError, match='There is no checkpoint yet, so nothing is written'):
        train(run(short, target, 'output'), tmp_path / 'none', accelerator='cpu')


def test_a_term_that_is_not_finite_stops_the_run(
    short: TrainingConfig, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(logits: torch.Tensor, domain: float) -> torch.Tensor:
        return logits.float().mean() * float('nan')

    monkeypatch.setattr(adversarial, 'domain_loss', broken)
    with pytest.raises(ConfigError, match=r'The loss of step 0 is nan .* expected a finite'):
        train(run(short, target, 'output'), tmp_path / 'run', accelerator='cpu')


def test_settings_that_do_not_go_together_are_refused(short: TrainingConfig, target: Path) -> None:
    for changes, expected in (
        ({'steps': 1, 'warmup_steps': 0}, r'from_step is 1; expected less than the 1 steps'),
        ({'optimizer': {'kind': 'sgd'}}, r"kind is 'sgd'; expected 'adamw'"),
        ({'loss': {'points': 50}}, r'loss.points is 50; expected 0'),
    ):
        with pytest.raises(ConfigError, match=expected):
            replace(run(short, target, 'output', from_step=1), **changes)  # type: ignore[arg-type]
