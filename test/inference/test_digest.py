# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Model files carry a digest: any change of their content is noticed when they are loaded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.inference.onnx_digest import add_digest
from hiseg_ros.inference.open_model import open_backend
from hiseg_ros.model.digest import DIGEST_KEY, check_safetensors, with_digest
from hiseg_ros.resources import default_model, tree_model

SHIPPED = (default_model(), default_model('.onnx'), tree_model(), tree_model('_int8.onnx'))


def check(path: Path) -> None:
    """Do what opening a file does before a runtime sees it."""
    read_info(path)
    if path.suffix == '.safetensors':
        check_safetensors(path)


def random_bytes(content: bytearray) -> None:
    chance = random.Random(3)
    for _ in range(2000):
        content[chance.randrange(len(content) // 2, len(content))] ^= chance.randrange(1, 256)


def one_bit(content: bytearray) -> None:
    content[len(content) * 2 // 3] ^= 1


def empty_page(content: bytearray) -> None:
    start = len(content) // 2
    content[start : start + 4096] = bytes(4096)


def swapped_pages(content: bytearray) -> None:
    a, b = len(content) // 2, len(content) // 2 + 8192
    content[a : a + 4096], content[b : b + 4096] = content[b : b + 4096], content[a : a + 4096]


def another_score(content: bytearray) -> None:
    place = content.index(b'training_sets')
    content[place : place + 13] = b'training_setz'


def cut_off(content: bytearray) -> None:
    del content[-5000:]


DAMAGES = (random_bytes, one_bit, empty_page, swapped_pages, another_score, cut_off)


@pytest.mark.parametrize('file', SHIPPED)
def test_the_shipped_files_state_their_digest(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check(file)


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize('file', SHIPPED)
def test_damage_is_noticed(
    file: Path, damage: Callable[[bytearray], None], tmp_path: Path
) -> None:
    content = bytearray(file.read_bytes())
    damage(content)
    path = tmp_path / f'damaged{file.suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'expected|not a readable'):
        check(path)


@pytest.mark.needs('torch')
@pytest.mark.parametrize('file', SHIPPED)
def test_damaged_numbers_are_refused_by_name_of_the_file(file: Path, tmp_path: Path) -> None:
    content = bytearray(file.read_bytes())
    one_bit(content)
    path = tmp_path / f'damaged{file.suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'damaged or was altered, copy or export'):
        open_backend(path, backend='auto', device='cpu', precision='auto', input_height=0)


def test_a_changed_type_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    content = default_model().read_bytes()
    path = tmp_path / 'x.safetensors'
    path.write_bytes(content.replace(b'"dtype":"F16"', b'"dtype":"I16"', 1))
    assert path.read_bytes() != content
    with pytest.raises(CheckpointError, match='digest'):
        check_safetensors(path)


@pytest.mark.parametrize('file', SHIPPED)
def test_a_file_without_a_digest_is_read_and_that_is_said_once(file: Path, tmp_path: Path) -> None:
    path = tmp_path / f'old{file.suffix}'
    # The same bytes under another name: an entry that means nothing.
    other = DIGEST_KEY.replace('sha', 'old')
    content = file.read_bytes().replace(DIGEST_KEY.encode(), other.encode())
    path.write_bytes(content)
    program = (
        'import sys\nfrom pathlib import Path\nfrom test_digest import check\n'
        'for _ in range(3):\n    check(Path(sys.argv[1]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program, str(path)],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.count('has no digest') == 1
    # And it can be given one.
    if path.suffix == '.safetensors':
        path.write_bytes(with_digest(path.read_bytes()))
    else:
        add_digest(path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check(path)


def test_a_network_in_several_files_is_covered_whole(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx')
    path = tmp_path / 'x.onnx'
    onnx.save(
        onnx.load(default_model('.onnx')), path,
        save_as_external_data=True, location='numbers', size_threshold=1024,
    )  # fmt: skip
    add_digest(path)
    check(path)
    numbers = bytearray((tmp_path / 'numbers').read_bytes())
    one_bit(numbers)
    (tmp_path / 'numbers').write_bytes(numbers)
    with pytest.raises(CheckpointError, match='digest'):
        check(path)
    (tmp_path / 'numbers').unlink()
    with pytest.raises(CheckpointError, match="refers to 'numbers', which is no file"):
        check(path)
    with (tmp_path / 'numbers').open('wb') as file:
        file.truncate(5 << 30)
    with pytest.raises(CheckpointError, match='files of more than'):
        check(path)


HEADERS = {
    'no JSON': b'\xff' * 40,
    'a list': b'[]',
    'nested': b'[' * 100_000,
    'no tensor': b'{"x": 3}',
    'no numbers': b'{"x": {"dtype": "F16", "shape": [1], "data_offsets": ["0", "2"]}}',
    'outside': b'{"x": {"dtype": "F16", "shape": [1], "data_offsets": [0, 99999999]}}',
    'backwards': b'{"x": {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]}}',
    'no texts': json.dumps({'__metadata__': {'hiseg_ros': 3}}).encode(),
    'no metadata': json.dumps({'__metadata__': [1]}).encode(),
}


@pytest.mark.parametrize('header', HEADERS)
def test_a_header_that_is_none_is_refused(header: str, tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    text = HEADERS[header]
    path.write_bytes(len(text).to_bytes(8, 'little') + text + bytes(16))
    with pytest.raises(CheckpointError):
        check_safetensors(path)
    with pytest.raises(CheckpointError):
        read_info(path)


@pytest.mark.parametrize('file', ['garbage', 'foreign', 'cut off', 'damaged', 'huge header'])
def test_weights_that_cannot_be_used_do_not_import_torch(file: Path, tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    content = bytearray(default_model().read_bytes())
    if file == 'garbage':
        content[:] = random.Random(1).randbytes(300_000)
    elif file == 'foreign':
        text = b'{"x": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}'
        content[:] = len(text).to_bytes(8, 'little') + text + bytes(2)
    elif file == 'cut off':
        cut_off(content)
    elif file == 'damaged':
        one_bit(content)
    else:
        content[:8] = (100_000_000).to_bytes(8, 'little')
        content += bytes(100_000_000)
    path.write_bytes(content)
    program = (
        'import sys\nfrom hiseg_ros.errors import CheckpointError\n'
        'from hiseg_ros.inference.engine import Engine\n'
        'try:\n    Engine(sys.argv[1])\nexcept CheckpointError as error:\n    print(error)\n'
        'assert "torch" not in sys.modules\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'expected' in done.stdout
