# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backbones start from ImageNet weights: from a file, or a clear word where there are none."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.backbone import TimmBackbone

NAME = 'mobilenetv4_conv_small_035'


@pytest.fixture(scope='module')
def classifier_state() -> dict[str, torch.Tensor]:
    """Return the state of a whole timm classifier, as its publishers ship it."""
    torch.manual_seed(5)
    state: dict[str, torch.Tensor] = timm.create_model(NAME).state_dict()
    return state


@pytest.mark.parametrize('ending', ['safetensors', 'pth'])
def test_a_file_of_a_classifier_fills_the_backbone(
    tmp_path: Path, classifier_state: dict[str, torch.Tensor], ending: str
) -> None:
    """Every tensor that the backbone has, bit by bit; the classifier's own layers are left out."""
    path = tmp_path / f'weights.{ending}'
    if ending == 'pth':
        torch.save(classifier_state, path)
    else:
        save_file(classifier_state, path)
    torch.manual_seed(6)
    backbone = TimmBackbone(NAME)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone.load_pretrained(path)
    after = backbone.state_dict()
    assert list(after) == list(before)
    stem = next(name for name in after if name.endswith('conv_stem.weight'))
    assert not torch.equal(after[stem], before[stem])
    for name, tensor in after.items():
        # timm may rename 'blocks.0' to 'blocks_0' where only features are asked for.
        found = [
            value
            for key, value in classifier_state.items()
            if key.replace('.', '_') == name.removeprefix('model.').replace('.', '_')
        ]
        assert len(found) == 1, name
        assert torch.equal(tensor, found[0]), name


def test_of_a_whole_networks_file_the_backbone_is_taken(tmp_path: Path) -> None:
    """Bit by bit, whatever else is in it; one of another model is refused with numbers."""
    path = tmp_path / 'network.safetensors'
    torch.manual_seed(7)
    donor = timm.create_model(NAME, features_only=True).state_dict()
    whole = {f'backbone.{name}': tensor for name, tensor in donor.items()}
    save_file({**whole, 'head.weight': torch.ones(3)}, path)
    backbone = TimmBackbone(NAME)
    backbone.load_pretrained(path)
    assert all(torch.equal(backbone.model.state_dict()[name], donor[name]) for name in donor)
    lost = next(name for name in whole if name.endswith('conv_stem.weight'))
    save_file({name: tensor for name, tensor in whole.items() if name != lost}, path)
    count = len(donor)
    with pytest.raises(ConfigError, match=rf'Of the {count - 1} .* {count - 1} fit the {count} '):
        backbone.load_pretrained(path)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Remember what to write."""
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return the call that unpickling makes."""
        return Path.touch, (self.path,)


@pytest.mark.parametrize('kind', ['missing', 'folder', 'noise', 'empty', 'program', 'other model'])
def test_a_file_that_cannot_be_used_is_said_with_its_name(tmp_path: Path, kind: str) -> None:
    """One sentence with the file and the model, nothing is executed, nothing is half loaded."""
    path, proof = tmp_path / 'weights.pth', tmp_path / 'executed'
    if kind == 'folder':
        path.mkdir()
    elif kind == 'noise':
        path.write_bytes(b'noise' * 99)
    elif kind == 'empty':
        path.touch()
    elif kind == 'program':
        path.write_bytes(pickle.dumps(Evil(proof), protocol=2))
    elif kind == 'other model':
        torch.save(timm.create_model('resnet10t').state_dict(), path)
    backbone = TimmBackbone(NAME)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with pytest.raises(ConfigError, match=rf'weights\.pth.*{NAME}') as caught:
        backbone.load_pretrained(path)
    assert '\n' not in str(caught.value)
    assert not proof.exists()
    after = backbone.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_without_a_network_the_error_names_the_option(tmp_path: Path) -> None:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    code = (
        'from hiseg_ros.errors import ConfigError\n'
        'from hiseg_ros.model.backbone import TimmBackbone\n'
        'try:\n'
        "    TimmBackbone('efficientnet_lite0').load_pretrained('imagenet')\n"
        'except ConfigError as problem:\n'
        '    print(problem)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            'HF_HUB_OFFLINE': '1',
            'HF_HOME': str(tmp_path),
            'TORCH_HOME': str(tmp_path),
            'HF_HUB_CACHE': str(tmp_path),
            'OMP_NUM_THREADS': '1',
        },
    )
    (sentence,) = done.stdout.splitlines()
    assert sentence.startswith("The backbone weights imagenet of 'efficientnet_lite0' cannot be")
    assert '--backbone-weights' in sentence
    assert sentence.endswith('.')


def test_the_option_replaces_the_source_of_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hiseg train --backbone-weights FILE`."""
    run_module = pytest.importorskip('hiseg_ros.training.run.train')
    from hiseg_ros.cli.__main__ import main

    seen: list[str] = []
    monkeypatch.setattr(
        run_module,
        'train',
        lambda config, *arguments, **options: seen.append(config.backbone_weights),
    )
    assert main(['train', 'street_lite', '--backbone-weights', str(tmp_path / 'x.pth')]) == 0
    assert main(['train', 'street_lite']) == 0
    assert seen == [str(tmp_path / 'x.pth'), 'imagenet']
