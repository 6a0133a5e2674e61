# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights and exported networks: damaged ones are refused, and none reaches outside its folder."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.inference.onnx_bytes import MAX_DEPTH, refuse_outside_data
from hiseg_ros.model.info import INFO_KEY, dump_info, parse_info
from hiseg_ros.resources import default_model

WHOLE = read_info(default_model('.onnx'))
BLOCK: dict[str, Any] = json.loads(dump_info(WHOLE))


def varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def field(number: int, *content: bytes) -> bytes:
    whole = b''.join(content)
    return varint(number << 3 | 2) + varint(len(whole)) + whole


def external(location: str) -> bytes:
    """Return a tensor whose numbers lie in a file."""
    entry = field(1, b'location') + field(2, location.encode())
    return field(8, b'w') + field(13, entry)


def in_graph(tensor: bytes) -> bytes:
    return field(7, field(5, tensor))


def in_attribute(tensor: bytes) -> bytes:
    return field(7, field(1, field(5, field(5, tensor))))


def in_inner_graph(tensor: bytes) -> bytes:
    return field(7, field(1, field(5, field(6, field(5, tensor)))))


def in_sparse(tensor: bytes) -> bytes:
    return field(7, field(15, field(1, tensor)))


def in_function(tensor: bytes) -> bytes:
    return field(25, field(7, field(5, field(5, tensor))))


@pytest.mark.parametrize('place', [in_graph, in_attribute, in_inner_graph, in_sparse, in_function])
def test_an_onnx_file_cannot_read_outside_its_folder(place: Any, tmp_path: Path) -> None:
    """Up, absolute, through a link or by a name that is none; beside it is allowed."""
    inside = tmp_path / 'inside'
    (inside / 'sub').mkdir(parents=True)
    (tmp_path / 'secret').write_bytes(b'1234')
    (inside / 'link').symlink_to(tmp_path / 'secret')
    path = inside / 'x.onnx'
    for name in ('../secret', 'sub/../../secret', '/etc/hostname', 'link', '..', 'a\0b'):
        path.write_bytes(b'\x08\x08' + place(external(name)))
        with pytest.raises(CheckpointError, match='not in its own folder'):
            read_info(path)
    for name in ('x.onnx.data', 'sub/weights', './a'):
        refuse_outside_data(b'\x08\x08' + place(external(name)), path)


def test_graphs_in_graphs_without_end_are_refused(tmp_path: Path) -> None:
    """Before Python's own limit."""
    tensor = external('x')
    graph = field(5, tensor)
    for _ in range(MAX_DEPTH):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(ValueError, match='nested more than'):
        refuse_outside_data(field(7, graph), tmp_path / 'x.onnx')


@pytest.mark.needs('torch')
def test_a_wrapped_networks_source_cannot_read_outside_its_folder(tmp_path: Path) -> None:
    """Nor can what `hiseg wrap` is given."""
    from hiseg_ros.export.flat.network import open_flat_network

    path = tmp_path / 'x.onnx'
    path.write_bytes(b'\x08\x08' + in_graph(external('../secret')))
    with pytest.raises(CheckpointError, match='not in its own folder'):
        open_flat_network(path)


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr(f'x/extra/{INFO_KEY}', json.dumps(BLOCK))
        file.writestr('x/data', 'y' * 99)
    return content.getvalue()


def onnx_file() -> bytes:
    entry = field(1, INFO_KEY.encode()) + field(2, json.dumps(BLOCK).encode())
    return b'\x08\x08' + in_graph(external('x.data')) + field(14, entry)


def safetensors_file() -> bytes:
    header = json.dumps({'__metadata__': {INFO_KEY: json.dumps(BLOCK)}}).encode()
    return len(header).to_bytes(8, 'little') + header


FILES = {'.pt2': archive(), '.onnx': onnx_file(), '.safetensors': safetensors_file()}


@pytest.mark.parametrize('suffix', FILES)
def test_the_whole_files_are_read(suffix: str, tmp_path: Path) -> None:
    """Otherwise the next test would try nothing."""
    path = tmp_path / f'x{suffix}'
    path.write_bytes(FILES[suffix])
    assert read_info(path) == WHOLE


@hostile.fuzzed(150)
@given(suffix=st.sampled_from(sorted(FILES)), data=st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    """Whatever its unpacker raises."""
    path = tmp_path_factory.getbasetemp() / f'damaged{suffix}'
    path.write_bytes(data.draw(hostile.damaged(FILES[suffix])))
    try:
        read_info(path)
    except CheckpointError as problem:
        assert 'expected' in str(problem)


def test_an_archive_of_an_unknown_method_is_refused(tmp_path: Path) -> None:
    """It raises what is no error of archives."""
    content = archive()
    for position in (content.index(b'PK\x03\x04') + 8, content.index(b'PK\x01\x02') + 10):
        content = content[:position] + b'\x63\0' + content[position + 2 :]
    path = tmp_path / 'x.pt2'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='compression method'):
        read_info(path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.just(10**400) | st.just(2**31),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)  # fmt: skip


@hostile.fuzzed(200)
@given(data=st.data())
def test_an_info_block_with_any_value_is_used_or_refused(data: st.DataObject) -> None:
    """One value anywhere in it replaced or left out."""
    block = json.loads(json.dumps(BLOCK))
    part: Any = block
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(part[key], dict | list) and part[key] and data.draw(st.booleans()):
            part = part[key]
            continue
        if data.draw(st.booleans()):
            part[key] = data.draw(PLAIN)
        else:
            del part[key]
        break
    try:
        parse_info(json.dumps(block), Path('x.onnx'))
    except CheckpointError as problem:
        assert 'expected' in str(problem)


@pytest.mark.parametrize('key', ['channels', 'branch_channels'])
def test_a_block_cannot_ask_for_a_network_of_any_size(key: str) -> None:
    """It would be built before its tensors are found not to fit."""
    block = json.loads(json.dumps(BLOCK))
    block['network'][key] = 100_000
    with pytest.raises(CheckpointError, match='at most 2048'):
        parse_info(json.dumps(block), Path('x.onnx'))


@pytest.mark.needs('torch')
@pytest.mark.parametrize('suffix', ['.safetensors', '.onnx', '.pt2'])
def test_a_name_that_no_file_can_have_is_refused(suffix: str) -> None:
    """A parameter of the node may be any text."""
    from hiseg_ros.model.checkpoint import load_checkpoint

    for name in ('x' * 300 + suffix, f'a\0b{suffix}', f'\udcff{suffix}'):
        for read in (read_info, load_checkpoint):
            with pytest.raises(CheckpointError, match='do not exist'):
                read(Path(name))


def test_no_reader_of_files_runs_code() -> None:
    """Pickles, eval and unsafe YAML loaders stay out of the package."""
    module = Path(__file__).resolve().parents[2] / 'hiseg_ros'
    forbidden = (
        'pickle.load', 'pickle.loads', 'yaml.load(', 'yaml.unsafe_load', 'yaml.full_load',
        'weights_only=False', 'allow_pickle=True', 'torch.hub', 'os.system', 'shell=True',
        'register_custom_ops_library', 'pickle_module',
    )  # fmt: skip
    found = [
        (str(path.relative_to(module)), word)
        for path in module.rglob('*.py')
        for word in forbidden
        if word in path.read_text(encoding='utf-8')
    ]
    assert not found
