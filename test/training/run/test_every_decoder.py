# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Every decoder on its whole way: drawn scenes, training, file, export, the node's engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hiseg_ros.cli.__main__ import main
from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.errors import ConfigError
from hiseg_ros.export.export import export_network
from hiseg_ros.inference.engine import Engine
from hiseg_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders import checks
from hiseg_ros.model.decoders.registry import DECODERS
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses import SetLoss

pytestmark = [pytest.mark.needs('train')]

TAXONOMY = load_taxonomy('street')
SIZE = (64, 96)
STEPS = 3
LARGEST_DIFFERENCE = 1e-4
"""Of a node's probability between the exported file and the weights."""

CASES = [(name, {}) for name in DECODERS] + [
    ('fusion', {'upsampling': 'transposed'}),
    ('fusion', {'upsampling': 'unpool'}),
    ('refinenet', {'light': False}),
    ('parsenet', {'normalise': False}),
]
REFUSED = ("Decoder 'segnet' cannot", "Decoder 'fusion' with unpooling cannot")


def network_of(name: str, options: dict[str, object]) -> NetworkConfig:
    """Return a tiny network with a decoder."""
    entry = DECODERS[name]
    given = {key: value for key, value in (('width', 32),) if key in entry.options}
    rates = {'rates': (1, 2, 3)} if 'rates' in entry.options else {}
    return NetworkConfig(
        'vgg11_bn' if entry.backbones else 'mobilenetv4_conv_small_035',
        32 if 32 in entry.output_strides else 16,
        name,
        24 if name.startswith('summed') else 32,
        branch_channels=4,
        decoder_options={**given, **rates, **options},
    )


@pytest.fixture(scope='module')
def scenes() -> tuple[torch.Tensor, torch.Tensor, LabelTable]:
    """Return normalised images (2, 3, H, W) of drawn scenes, their targets, and the labels."""
    drawn = [draw_scene(seed, SIZE) for seed in range(2)]
    images = torch.from_numpy(np.stack([scene.rgb for scene in drawn])).permute(0, 3, 1, 2)
    table = LabelTable(TAXONOMY, [load_mapping('drawn', TAXONOMY)])
    labels = torch.from_numpy(np.stack([scene.labels for scene in drawn])).long()
    targets = torch.where(labels < table.label_count, labels, -1)
    return Preprocessing().normalize(images), targets, table


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        pytest.param(
            name,
            options,
            id='-'.join([name, *map(str, options.values())]),
            marks=[pytest.mark.needs('networks')] if DECODERS[name].package else [],
        )
        for name, options in CASES
    ],
)
def test_it_trains_is_written_read_exported_and_run(
    scenes: tuple[torch.Tensor, torch.Tensor, LabelTable],
    tmp_path: Path,
    name: str,
    options: dict[str, object],
) -> None:
    """The loss falls, and the file computes what the network does, or is refused by name."""
    images, targets, table = scenes
    torch.manual_seed(1)
    config = network_of(name, options)
    network = HierarchicalNetwork(config, TAXONOMY)
    loss_of, optimizer = SetLoss(table), torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(STEPS):
        loss = loss_of(network.head_output(images), targets, torch.zeros(2).long(), torch.ones(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    weights, exported = tmp_path / 'x.safetensors', tmp_path / 'x.onnx'
    save_checkpoint(weights, network, TAXONOMY, Preprocessing(), {'name': name}, half=False)
    checkpoint = load_checkpoint(weights)
    assert checkpoint.network == config
    rgb = draw_scene(7, (96, 64)).rgb
    with torch.inference_mode():
        # As the engine has it: a pooling index may change with the order of a sum.
        read = checkpoint.build().to(memory_format=torch.channels_last)
        prepared = Preprocessing().normalize(torch.from_numpy(rgb).permute(2, 0, 1)[None])
        prepared = prepared.contiguous(memory_format=torch.channels_last)
        expected = read.node_probabilities(read(prepared))[0]
    if any(options.get(key) == 'unpool' for key in options) or DECODERS[name].unpools:
        with pytest.raises(ConfigError, match='cannot be exported') as caught:
            export_network(checkpoint, exported)
        assert str(caught.value).startswith(REFUSED)
        assert not exported.exists()
        engine = Engine(weights, device='cpu', backend='eager', input_height=64)
    else:
        export_network(checkpoint, exported)
        engine = Engine(exported, device='cpu', backend='onnx_runtime', input_height=64)
    found = engine.segment(rgb)
    assert found.labels.shape == rgb.shape[:2]
    probabilities = torch.from_numpy(found.probabilities.values)
    assert probabilities.shape == expected.shape
    assert (probabilities - expected).abs().max() < LARGEST_DIFFERENCE


def test_what_cannot_be_exported_is_refused_before_training_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hiseg train --exportable` ends before anything is read or written."""
    monkeypatch.chdir(tmp_path)
    experiment = tmp_path / 'x.yaml'
    experiment.write_text(
        'name: x\ntaxonomy: street\nnetwork: {backbone: vgg16_bn, decoder: segnet}\n'
        'datasets: {drawn: {kind: drawn, root: drawn, share: 2}}\n'
    )
    assert main(['train', str(experiment), '--exportable']) == 2
    assert "Decoder 'segnet' cannot be exported" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['x.yaml']


def test_a_missing_package_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `hiseg train`, and for weights by whatever builds their network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, 'find_spec', lambda name: None)
    experiment = tmp_path / 'x.yaml'
    experiment.write_text(
        'name: x\ntaxonomy: street\nnetwork: {decoder: unet}\n'
        'datasets: {drawn: {kind: drawn, root: drawn, share: 2}}\n'
    )
    assert main(['train', str(experiment)]) == 2
    said = capsys.readouterr().err
    assert "Decoder 'unet' needs the Python module segmentation_models_pytorch" in said
    assert 'pip install "hiseg_ros[networks]"' in said
    assert [path.name for path in tmp_path.iterdir()] == ['x.yaml']
    network = NetworkConfig('mobilenetv4_conv_small_035', 32, 'unet')
    weights = Checkpoint(tmp_path, network, Preprocessing(), TAXONOMY, {}, {})
    with pytest.raises(ConfigError, match='expected the extra "networks"'):
        weights.build()
