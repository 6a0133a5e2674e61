# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights files: what goes in comes out, and what is wrong with a file is said."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hiseg_ros.errors import CheckpointError
from hiseg_ros.model.checkpoint import INFO_KEY, load_checkpoint, save_checkpoint
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.digest import DIGEST_KEY
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import load_taxonomy

Change = Callable[[dict[str, Any]], object]


def altered(source: Path, target: Path, change: Change) -> Path:
    """Write a copy of a weights file with a changed info block."""
    with safe_open(source, 'pt') as file:
        info = json.loads(file.metadata()[INFO_KEY])
    replaced = change(info)
    info = info if replaced is None else replaced
    save_file(load_file(source), target, metadata={INFO_KEY: json.dumps(info)})
    return target


@pytest.fixture(scope='module')
def network() -> HierarchicalNetwork:
    """Return a small network with random weights and statistics."""
    torch.manual_seed(3)
    config = NetworkConfig(
        'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
    )
    network = HierarchicalNetwork(config, load_taxonomy('street')).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.num_batches_tracked += 70_000
    return network


@pytest.mark.parametrize('half', [True, False])
def test_weights_come_back_as_they_were_written(
    network: HierarchicalNetwork, tmp_path: Path, half: bool
) -> None:
    """Every tensor, the settings, the taxonomy and the card survive, rounded once in float16."""
    taxonomy = load_taxonomy('street')
    preprocessing = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 640, 64)
    card = {'name': 'x', 'recipe': 'Übung', 'training_sets': [{'name': 'a'}], 'scores': {'m': 1}}
    path = tmp_path / 'new' / 'weights.safetensors'
    save_checkpoint(path, network, taxonomy, preprocessing, card, half)
    read = load_checkpoint(str(path))
    assert read.path == path
    assert read.network == network.config
    assert read.preprocessing == preprocessing
    assert read.taxonomy == taxonomy
    assert read.taxonomy.digest == taxonomy.digest
    assert read.card == card
    built = read.build()
    assert not built.training
    state = built.state_dict()
    for name, tensor in network.state_dict().items():
        expected = tensor.half().float() if half and tensor.is_floating_point() else tensor
        assert state[name].dtype == tensor.dtype, name
        assert torch.equal(state[name], expected), name


def test_half_precision_halves_the_file_and_hardly_changes_the_output(
    network: HierarchicalNetwork, tmp_path: Path
) -> None:
    """Float16 is a storage format: the network computes in float32 and gives the same labels."""
    taxonomy = load_taxonomy('street')
    paths = [tmp_path / 'half.safetensors', tmp_path / 'full.safetensors']
    for path, half in zip(paths, (True, False), strict=True):
        save_checkpoint(path, network, taxonomy, Preprocessing(), {}, half)
    assert paths[0].stat().st_size < 0.6 * paths[1].stat().st_size
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        half_output, full_output = (load_checkpoint(path).build()(image) for path in paths)
    assert half_output.dtype == torch.float32
    assert (half_output - full_output).abs().max() < 0.02


def test_a_number_beyond_float16_is_not_lost(network: HierarchicalNetwork, tmp_path: Path) -> None:
    """A statistic of 1e5 would be infinite in float16; its tensor is stored in float32."""
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    before = norm.running_var.clone()
    norm.running_var[0] = 1e5
    path = tmp_path / 'weights.safetensors'
    save_checkpoint(path, network, load_taxonomy('street'), Preprocessing(), {})
    norm.running_var.copy_(before)
    built = load_checkpoint(path).build()
    read = next(m for m in built.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert read.running_var[0] == 1e5


def test_the_same_network_gives_the_same_file(
    network: HierarchicalNetwork, tmp_path: Path
) -> None:
    """Writing is deterministic, so a file's checksum identifies the weights."""
    paths = [tmp_path / 'a.safetensors', tmp_path / 'b.safetensors']
    for path in paths:
        save_checkpoint(path, network, load_taxonomy('street'), Preprocessing(), {'name': 'x'})
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_memory_layout_does_not_matter(network: HierarchicalNetwork, tmp_path: Path) -> None:
    """A network in channels-last memory is stored like any other."""
    paths = [tmp_path / 'a.safetensors', tmp_path / 'b.safetensors']
    taxonomy = load_taxonomy('street')
    save_checkpoint(paths[0], network, taxonomy, Preprocessing(), {})
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_checkpoint(paths[1], network, taxonomy, Preprocessing(), {})
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    """The message holds the path."""
    for path in (tmp_path / 'absent.safetensors', tmp_path):
        with pytest.raises(CheckpointError, match='do not exist') as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Remember what to write."""
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return the call that unpickling makes."""
        return Path.touch, (self.path,)


@pytest.mark.parametrize('writer', ['pickle', 'torch', 'old torch'])
def test_a_renamed_pickle_is_refused_and_not_executed(tmp_path: Path, writer: str) -> None:
    """Nothing in a weights file is ever run."""
    path, proof = tmp_path / 'weights.safetensors', tmp_path / 'executed'
    if writer == 'pickle':
        path.write_bytes(pickle.dumps(Evil(proof)))
    else:
        torch.save(Evil(proof), path, _use_new_zipfile_serialization=writer == 'torch')
    with pytest.raises(CheckpointError, match='not a readable safetensors file'):
        load_checkpoint(path)
    assert not proof.exists()


def test_a_truncated_file_is_refused_wherever_it_ends(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Cut in the length, the header, the tensors, or at the last byte."""
    content = tiny_checkpoint.read_bytes()
    header = 8 + int.from_bytes(content[:8], 'little')
    path = tmp_path / 'weights.safetensors'
    for length in (0, 3, 8, header // 2, header - 1, header, header + 1000, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match='not a readable safetensors file'):
            load_checkpoint(path)


def test_noise_is_refused(tmp_path: Path) -> None:
    """Random bytes, an image, an empty file: one kind of error."""
    path = tmp_path / 'weights.safetensors'
    rng = np.random.default_rng(0)
    for content in (b'', b'\x89PNG\r\n\x1a\n' + bytes(100), rng.bytes(5000), b'\xff' * 64):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match='not a readable safetensors file'):
            load_checkpoint(path)


def test_weights_of_another_project_are_refused(tmp_path: Path) -> None:
    """A safetensors file without our info block is foreign, with and without metadata."""
    path = tmp_path / 'weights.safetensors'
    for metadata in (None, {'format': 'pt'}):
        save_file({'a': torch.zeros(2)}, path, metadata=metadata)
        with pytest.raises(CheckpointError, match=r"without the info block 'hiseg_ros'"):
            load_checkpoint(path)


def test_an_info_block_that_is_not_json_is_refused(tmp_path: Path) -> None:
    """Broken, nested beyond reason, or of another type."""
    path = tmp_path / 'weights.safetensors'
    for text in ('', '{', 'null', '3', '[]', '"x"', '[' * 100_000):
        save_file({'a': torch.zeros(2)}, path, metadata={INFO_KEY: text})
        with pytest.raises(CheckpointError, match='info block'):
            load_checkpoint(path)


KEYS = ('format', 'network', 'preprocessing', 'taxonomy', 'taxonomy_digest', 'card')


@pytest.mark.parametrize('key', KEYS)
def test_a_missing_key_of_the_info_block_is_named(
    tiny_checkpoint: Path, tmp_path: Path, key: str
) -> None:
    """Every key is needed."""
    path = altered(
        tiny_checkpoint,
        tmp_path / 'x.safetensors',
        lambda info: {name: value for name, value in info.items() if name != key},
    )
    with pytest.raises(CheckpointError, match=key):
        load_checkpoint(path)


@pytest.mark.parametrize('value', [None, 3, 'x', [], [1, 2], {}, {'x': 1}, [[]], False, 1.5])
@pytest.mark.parametrize('key', KEYS)
def test_a_key_of_the_info_block_with_another_type_is_refused(
    tiny_checkpoint: Path, tmp_path: Path, key: str, value: object
) -> None:
    """No type at any key gets past as another kind of error."""
    path = altered(tiny_checkpoint, tmp_path / 'x.safetensors', lambda info: {**info, key: value})
    try:
        checkpoint = load_checkpoint(path)
    except CheckpointError as problem:
        assert str(path) in str(problem)
    else:
        # A card may hold anything, and an empty mapping means every default, which does not
        # fit the tensors.
        assert value == {} or (key == 'card' and isinstance(value, dict))
        if key == 'network':
            with pytest.raises(CheckpointError, match='do not fit'):
                checkpoint.build()


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('mean', [0.5, 0.5]),
        ('mean', 0.5),
        ('mean', ['a', 'b', 'c']),
        ('std', [1, 1, 0]),
        ('std', [0.2, -0.2, 0.2]),
        ('largest_height', 0),
        ('largest_height', 'tall'),
        ('multiple', 0),
        ('multiple', 48),
        ('multiple', 32.0),
        ('sharpness', 1),
    ],
)
def test_a_preprocessing_that_cannot_work_is_refused(
    tiny_checkpoint: Path, tmp_path: Path, key: str, value: object
) -> None:
    """It is found when the file is read, not at the first image."""
    path = altered(
        tiny_checkpoint,
        tmp_path / 'x.safetensors',
        lambda info: info['preprocessing'].__setitem__(key, value),
    )
    with pytest.raises(CheckpointError, match=key):
        load_checkpoint(path)


def test_a_newer_format_asks_for_an_update(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The message says what to do."""
    path = altered(tiny_checkpoint, tmp_path / 'x.safetensors', lambda info: info.update(format=2))
    with pytest.raises(CheckpointError, match=r'format 2; expected 1: update hiseg_ros'):
        load_checkpoint(path)


def test_an_altered_tree_does_not_pass_for_the_trained_one(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Renaming a leaf or reordering children changes what the channels mean."""

    def rename(info: dict[str, Any]) -> None:
        info['taxonomy']['tree']['children'][0]['name'] = 'Dragon'

    def reorder(info: dict[str, Any]) -> None:
        info['taxonomy']['tree']['children'].reverse()

    def other_subclass_root(info: dict[str, Any]) -> None:
        info['taxonomy']['subclass_root'] = 'Vehicle'

    for change in (rename, reorder, other_subclass_root):
        path = altered(tiny_checkpoint, tmp_path / 'x.safetensors', change)
        with pytest.raises(CheckpointError, match='altered'):
            load_checkpoint(path)


def test_new_colours_are_no_new_meaning(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The digest covers names and parents."""
    path = altered(
        tiny_checkpoint,
        tmp_path / 'x.safetensors',
        lambda info: info['taxonomy']['tree'].update(color='#010203'),
    )
    read = load_checkpoint(path)
    assert read.taxonomy.nodes[0].color == (1, 2, 3)
    assert read.taxonomy.digest == load_taxonomy('street').digest


@pytest.mark.parametrize(
    'change',
    [
        lambda state: state.pop('head.logits.0.weight'),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({'head.logits.0.weight': torch.zeros(1, 2, 3)}),
        lambda state: state.clear() or state.update(only=torch.zeros(1)),
    ],
    ids=['missing', 'extra', 'shape', 'other'],
)
def test_tensors_that_do_not_fit_are_refused_with_the_reason(
    tiny_checkpoint: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    """A missing, additional or misshapen tensor is named."""
    state = load_file(tiny_checkpoint)
    with safe_open(tiny_checkpoint, 'pt') as file:
        metadata = file.metadata()
    del metadata[DIGEST_KEY]  # or the change would be taken for damage
    change(state)
    path = tmp_path / 'x.safetensors'
    save_file(state, path, metadata=metadata)
    words = r'do not fit.*(Missing|Unexpected|size mismatch)'
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(path).build()
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    'network',
    [
        {'channels': 24},
        {'head': 'leaf'},
        {'backbone': 'resnet18'},
        {'backbone': 'nonsense'},
        {'backbone': 'hf-hub:a/b'},
        {'branch': 'bottleneck'},
    ],
    ids=lambda item: '-'.join(map(str, *item.items())),
)
def test_a_network_that_the_tensors_do_not_fit_is_refused(
    tiny_checkpoint: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    """The info block describes another network than the tensors."""
    path = altered(
        tiny_checkpoint, tmp_path / 'x.safetensors', lambda info: info['network'].update(network)
    )
    with pytest.raises(CheckpointError, match='do not fit|cannot be used'):
        load_checkpoint(path).build()
