# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backbones, decoders and the network they make."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.backbone import TimmBackbone
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.fusion import FusionDecoder
from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.experiment import load_training_config

EXPERIMENTS = sorted(
    path
    for path in config_path('experiments').glob('*.yaml')
    if not path.stem.startswith('classical_')  # these have no network
)
IV2018 = NetworkConfig('resnet50', 8, 'projection', 256, 'conditional', 'bottleneck')


def shapes(config: NetworkConfig, taxonomy: str = 'street') -> tuple[int, ...]:
    """Return the shape of a network's output for a 64x96 image."""
    network = HierarchicalNetwork(config, load_taxonomy(taxonomy)).eval()
    with torch.inference_mode():
        found = network(torch.randn(1, 3, 64, 96))
    assert tuple(found.shape[-2:]) == (64 // network.stride, 96 // network.stride)
    return tuple(found.shape)


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_the_network_of_every_experiment_runs(path: Path) -> None:
    """Whatever an experiment names can be built and gives its taxonomy's leaves."""
    config = load_training_config(path)
    leaves = len(load_taxonomy(config.taxonomy).leaves)
    assert shapes(config.network, config.taxonomy)[:2] == (1, leaves)


@pytest.mark.parametrize(
    ('backbone', 'output_stride', 'strides'),
    [
        ('mobilenetv4_conv_small', 32, (4, 8, 16, 32)),
        ('mobilenetv4_conv_small_050', 16, (4, 8, 16, 16)),
        ('resnet18', 8, (4, 8, 8, 8)),
        ('efficientvit_b0', 8, (4, 8, 8, 8)),
        ('efficientvit_b0', 16, (4, 8, 16, 16)),
        ('convnext_atto', 32, (4, 8, 16, 32)),
        ('edgenext_xx_small', 32, (4, 8, 16, 32)),
    ],
)
def test_a_backbone_says_the_strides_and_channels_it_has(
    backbone: str, output_stride: int, strides: tuple[int, ...]
) -> None:
    """The features are those from stride 4 on, finest first."""
    model = TimmBackbone(backbone, output_stride).eval()
    assert model.strides == strides
    with torch.inference_mode():
        features = model(torch.randn(1, 3, 64, 64))
    found = [(item.shape[1], 64 // item.shape[2]) for item in features]
    assert found == list(zip(model.channels, strides, strict=True))


@pytest.mark.parametrize('output_stride', [8, 16])
def test_dilated_convolutions_see_what_strided_ones_see(output_stride: int) -> None:
    """Of a family that timm cannot dilate; each cell of the one is a cell of the other."""
    strided = TimmBackbone('hgnetv2_b0').eval()
    dilated = TimmBackbone('hgnetv2_b0', output_stride).eval()
    dilated.load_state_dict(strided.state_dict())
    images = torch.randn(1, 3, 128, 192, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for coarse, fine in zip(strided(images), dilated(images), strict=True):
            step = fine.shape[-1] // coarse.shape[-1]
            torch.testing.assert_close(fine[..., ::step, ::step], coarse, rtol=1e-4, atol=1e-7)
            assert coarse.std() > 0


@pytest.mark.parametrize('output_stride', [8, 16, 32])
def test_the_fusion_decoder_works_at_the_finest_stride(output_stride: int) -> None:
    """Merged features lie on a grid of stride 4 whatever the backbone's last stride."""
    config = NetworkConfig(
        'mobilenetv4_conv_small_050', output_stride, channels=16, decoder='fusion'
    )
    assert shapes(config)[-2:] == (16, 24)


def test_the_projection_decoder_works_at_the_backbones_stride() -> None:
    """The network of IV 2018: ResNet-50 at stride 8, one projection, five bottlenecks."""
    assert shapes(IV2018, 'iv2018') == (1, 107, 8, 12)


def test_the_iv_2018_network_has_the_size_of_the_papers() -> None:
    """About 27.7 M weights (method section 2), less void channels and transposed convolutions."""
    network = HierarchicalNetwork(IV2018, load_taxonomy('iv2018'))
    assert 27.4e6 < sum(p.numel() for p in network.parameters()) < 28.0e6


def test_the_light_network_has_less_than_5_m_parameters() -> None:
    """The shipped experiment stays light: 5 M parameters and 15 MB in half precision."""
    config = load_training_config('street_lite')
    network = HierarchicalNetwork(config.network, load_taxonomy(config.taxonomy))
    parameters = sum(p.numel() for p in network.parameters())
    state = sum(t.numel() for t in network.state_dict().values())
    assert parameters < 5e6
    assert 2 * state < 15e6


def test_every_parameter_of_the_light_network_gets_a_gradient() -> None:
    """Nothing is built that the output does not depend on."""
    config = NetworkConfig('mobilenetv4_conv_small_050', channels=16, decoder='fusion')
    network = HierarchicalNetwork(config, load_taxonomy('street'))
    network(torch.randn(2, 3, 64, 64)).log().clamp(min=-30).mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_fine_features_reach_the_output_at_their_own_place() -> None:
    """The decoder keeps geometry: a change in one fine cell changes its neighbourhood only."""
    torch.manual_seed(0)
    decoder = FusionDecoder((4, 8), (4, 8), 8).eval()
    fine, coarse = torch.randn(1, 4, 16, 16), torch.randn(1, 8, 8, 8)
    changed = fine.clone()
    changed[0, :, 10, 3] += 5
    with torch.inference_mode():
        difference = (decoder([fine, coarse]) - decoder([changed, coarse])).abs().sum(1)[0]
    rows, columns = difference.nonzero().unbind(1)
    assert set(rows.tolist()) <= {9, 10, 11}
    assert set(columns.tolist()) <= {2, 3, 4}
    assert difference[10, 3] > 0


def test_resizing_keeps_a_linear_ramp() -> None:
    """Cell centres stay in place: a ramp stays the same ramp inside the border."""
    ramp = (torch.arange(8) + 0.5)[None, None, None].expand(1, 1, 2, 8) / 8
    finer = resize(ramp, (4, 16))[0, 0, 1]
    torch.testing.assert_close(finer[1:-1], (torch.arange(1, 15) + 0.5) / 16)


@pytest.mark.parametrize(
    ('name', 'output_stride'),
    [
        ('nonsense', 32),
        ('', 32),
        ('swin_tiny_patch4_window7_224', 16),
        ('edgenext_xx_small', 8),
        ('hrnet_w18_small', 16),
        ('test_mlp_mixer', 32),
    ],
)
def test_a_backbone_that_cannot_be_built_is_a_configuration_error(
    name: str, output_stride: int
) -> None:
    """Whatever timm raises, the message names the backbone and what to do."""
    with pytest.raises(ConfigError, match=r'cannot be built.*list_models'):
        TimmBackbone(name, output_stride)


@pytest.mark.parametrize('name', ['hf-hub:someone/something', 'local-dir:/tmp', 'hf_hub:a/b'])
def test_a_backbone_from_elsewhere_is_refused_without_asking_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weights file cannot make the reader fetch a model description."""

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError('a connection was opened')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    with pytest.raises(ConfigError, match='cannot be built'):
        TimmBackbone(name)


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('head', 'flat'),
        ('decoder', ''),
        ('branch', None),
        ('output_stride', 4),
        ('output_stride', '32'),
        ('channels', 0),
        ('branch_channels', -1),
        ('channels', 16.5),
        ('channels', True),
        ('backbone', 7),
    ],
)
def test_a_network_setting_out_of_its_choices_is_named(setting: str, value: object) -> None:
    """The message holds the setting and what was found."""
    with pytest.raises(ConfigError, match=setting) as caught:
        NetworkConfig(**{setting: value})
    assert repr(value) in str(caught.value)
