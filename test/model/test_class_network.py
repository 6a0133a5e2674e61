# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights of other authors: read under their names, spread over the leaves, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from class_weights import BACKBONE, class_state, write_class_weights
from safetensors.torch import save_file
from timm.models.efficientvit_mit import LiteMLA
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.model.backbone import TimmBackbone
from hiseg_ros.model.class_network import (
    ClassNetwork,
    check_disjoint,
    load_class_network,
    start_from_classes,
)
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Label, Mapping, load_mapping, load_taxonomy

TAXONOMY = load_taxonomy('street')
MAPPING = load_mapping('cityscapes_labelids', TAXONOMY)
CONFIGS = {
    'summed': NetworkConfig(BACKBONE, 32, 'summed', 128, 'leaf'),
    'summed_detail': NetworkConfig(BACKBONE, 32, 'summed_detail', 192, 'leaf'),
    'cut': NetworkConfig(
        BACKBONE, 32, 'summed_detail', 192, 'leaf', cut_at=('Traffic Sign (Front)',)
    ),
    'summed_fine': NetworkConfig(BACKBONE, 32, 'summed_fine', 128, 'leaf'),
}


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 19 classes with random numbers."""
    return write_class_weights(tmp_path_factory.mktemp('weights') / 'classes.safetensors')


def by_hand(state: dict[str, torch.Tensor], features: list[torch.Tensor]) -> torch.Tensor:
    """Return the logits of the authors' head, step by step from the names in the file."""

    def layer(prefix: str, x: torch.Tensor, **options: int) -> torch.Tensor:
        x = F.conv2d(x, state[f'{prefix}.conv.weight'], **options)
        names = ('running_mean', 'running_var', 'weight', 'bias')
        return F.batch_norm(x, *(state[f'{prefix}.norm.{name}'] for name in names))

    size = features[1].shape[-2:]
    total = layer('head.input_ops.2', features[1])
    for index, place in ((0, 3), (1, 2)):
        part = layer(f'head.input_ops.{index}.op_list.0', features[place])
        total = total + F.interpolate(part, size=size, mode='bicubic', align_corners=False)
    main = 'head.middle.op_list.0.main'
    wide = F.hardswish(layer(f'{main}.inverted_conv', total))
    wide = F.hardswish(layer(f'{main}.depth_conv', wide, padding=1, groups=128))
    total = total + layer(f'{main}.point_conv', wide)
    out = F.hardswish(layer('head.output_ops.0.op_list.0', total))
    last = 'head.output_ops.0.op_list.1.conv'
    return F.conv2d(out, state[f'{last}.weight'], state[f'{last}.bias'])


@torch.inference_mode()
def test_the_logits_are_those_of_the_authors_head(weights: Path) -> None:
    """Features come from timm's own backbone with its attention as it was trained."""
    state = class_state()
    backbone = timm.create_model(BACKBONE, num_classes=0)
    backbone.load_state_dict(
        {key.removeprefix('backbone.'): v for key, v in state.items() if 'backbone' in key},
        strict=False,
    )
    for layer in backbone.modules():
        if isinstance(layer, LiteMLA):
            layer.eps = 1e-15
    images = torch.randn(2, 3, 64, 96)
    features = backbone.eval().forward_intermediates(images, intermediates_only=True)
    found = load_class_network(weights, BACKBONE, 19)(images)
    assert found.shape == (2, 19, 8, 12)
    torch.testing.assert_close(found, by_hand(state, features), rtol=1e-4, atol=1e-4)


def of_authors(name: str) -> str:
    """Return the name that the authors' own files have for a tensor of timm's name."""
    name = name.replace('backbone.stem.in_conv.', 'backbone.input_stem.op_list.0.')
    name = name.replace('backbone.stem.res0.', 'backbone.input_stem.op_list.1.')
    return name.replace('.blocks.', '.op_list.') if name.startswith('backbone.') else name


def test_the_authors_own_names_are_read_as_timms(weights: Path, tmp_path: Path) -> None:
    """As a whole, and the backbone alone."""
    state = class_state()
    renamed = {of_authors(name): tensor for name, tensor in state.items()}
    assert len({name for name in renamed if name not in state}) == len(
        [name for name in state if name.startswith('backbone.')]
    )
    path = tmp_path / 'authors.safetensors'
    save_file(renamed, path)
    found = load_class_network(path, BACKBONE, 19).state_dict()
    expected = load_class_network(weights, BACKBONE, 19).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    backbone = TimmBackbone(BACKBONE)
    backbone.load_pretrained(path)
    for name, tensor in backbone.state_dict().items():
        torch.testing.assert_close(tensor, expected[f'backbone.{name}'])


def test_linear_attention_divides_as_it_was_trained() -> None:
    """Timm's own constant shifts features of the last two stages."""
    layers = [m for m in TimmBackbone(BACKBONE).modules() if isinstance(m, LiteMLA)]
    assert len(layers) == 4
    assert {layer.eps for layer in layers} == {1e-15}


@pytest.mark.parametrize('name', CONFIGS)
@torch.inference_mode()
def test_a_network_on_the_tree_starts_with_the_classes_probabilities(
    weights: Path, name: str
) -> None:
    """Among the leaves that have a class, their sums are the source's softmax; evenly inside."""
    source = load_class_network(weights, BACKBONE, 19)
    network = HierarchicalNetwork(CONFIGS[name], TAXONOMY)
    report = start_from_classes(network, source, MAPPING, TAXONOMY)
    network.eval()
    images = torch.randn(1, 3, 64, 96)
    leaves = network(images)
    if name == 'summed_fine':
        # A grid twice as fine: without its own layers trained it is the interpolated sum.
        assert leaves.shape[-2:] == (16, 24)
        features = network.decoder.summed(network.backbone(images))
        fine = F.interpolate(features, scale_factor=2, mode='bilinear', align_corners=False)
        expected = source.classes(network.decoder.output(fine)).softmax(1)
    else:
        expected = source(images).softmax(1)
    classes = torch.from_numpy(MAPPING.label_matrix(TAXONOMY)).float()
    sums = torch.einsum('cl,nlhw->nchw', classes, leaves)
    known = sums.sum(1, keepdim=True)
    torch.testing.assert_close(sums / known, expected, rtol=1e-3, atol=1e-5)
    assert float(known.mean()) > 0.8
    road = [TAXONOMY.leaf_index_of_node_id[leaf] for leaf in MAPPING.labels[0].leaves]
    assert len(road) == 10
    torch.testing.assert_close(leaves[:, road[1:]], leaves[:, road[:1]].expand(-1, 9, -1, -1))
    total = len(network.state_dict())
    assert report.startswith(f'228 of {total} tensors')
    assert 'car -> Car; truck -> Other Vehicle, Truck' in report


@torch.inference_mode()
def test_the_second_path_says_nothing_before_it_is_trained(weights: Path) -> None:
    """Its features are there, the head does not look at them yet."""
    source = load_class_network(weights, BACKBONE, 19)
    network = HierarchicalNetwork(CONFIGS['summed_detail'], TAXONOMY)
    start_from_classes(network, source, MAPPING, TAXONOMY)
    images = torch.randn(1, 3, 64, 64)
    features = network.eval().decoder([images, *network.backbone(images)])
    assert features.shape == (1, 192, 8, 8)
    assert float(features[:, 128:].std()) > 0
    assert not network.head.logits.weight[:, 128:].any()


def _other_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace('head.', 'decode_head.'): value for name, value in state.items()}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_other_names, r'Of the 230 tensors of .* 186 fit the 230 .*decode_head'),
        (
            lambda state: {k: v for k, v in state.items() if 'stages.0' not in k},
            r'Of the \d+ tensors of .* fit the 230 .*first that is missing backbone\.model\.stag',
        ),
        (
            lambda state: {**state, 'extra': torch.zeros(1)},
            r'Of the 231 tensors of .* 230 fit the 230 .*first that does not extra',
        ),
    ],
)
def test_weights_that_do_not_fit_say_how_many_do(
    tmp_path: Path,
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    message: str,
) -> None:
    path = tmp_path / 'w.safetensors'
    save_file(change(class_state()), path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_class_network(path, BACKBONE, 19)
    assert '\n' not in str(caught.value)


def test_a_missing_and_a_torn_file_are_named(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r'nowhere.*do not exist'):
        load_class_network(tmp_path / 'nowhere', BACKBONE, 19)
    torn = tmp_path / 'torn.safetensors'
    torn.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r'torn.*cannot be read'):
        load_class_network(torn, BACKBONE, 19)


def test_other_classes_than_the_files_are_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match='228 fit the 230'):
        load_class_network(weights, BACKBONE, 11)


@pytest.mark.parametrize(
    'change',
    [
        {'backbone': 'mobilenetv4_conv_small_035'},
        {'decoder': 'fusion'},
        {'head': 'conditional'},
        {'channels': 64},
    ],
)
def test_a_network_of_other_parts_cannot_start_from_classes(change: dict[str, object]) -> None:
    network = HierarchicalNetwork(replace(CONFIGS['summed'], **change), TAXONOMY)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match='cannot start from weights'):
        start_from_classes(network, ClassNetwork(BACKBONE, 19), MAPPING, TAXONOMY)


def test_a_leaf_of_two_classes_is_named() -> None:
    """The classes exclude each other in a softmax, so their leaves must."""
    car = TAXONOMY.node_id('Car')
    twice = Mapping('twice', (Label(0, 'car', (car,)), Label(1, 'vehicle', (car,))), ())
    with pytest.raises(ConfigError, match=r"'twice' has the leaf 'Car' in more than one"):
        check_disjoint(twice, TAXONOMY)
    for name in ('cityscapes_labelids', 'cityscapes_teacher'):
        check_disjoint(load_mapping(name, TAXONOMY), TAXONOMY)


@pytest.mark.parametrize(
    ('decoder', 'channels', 'message'),
    [('summed', 130, 'multiple of 4'), ('summed_detail', 128, 'multiple of 3')],
)
def test_channels_that_cannot_be_divided_are_refused(
    decoder: str, channels: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        HierarchicalNetwork(NetworkConfig(BACKBONE, 32, decoder, channels, 'leaf'), TAXONOMY)
