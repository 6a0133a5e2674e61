# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Search for input that a reader does not survive, led by code coverage; run by hand.

    python test/fuzz/fuzz_readers.py compressed -max_total_time=600

The first word chooses the reader; the rest goes to libFuzzer. What ends the search is written to
the working directory as crash-..., and is tried again by naming that file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import atheris

with atheris.instrument_imports(include=['hiseg_ros', 'rosbags', 'yaml']):
    import hostile
    import numpy as np

    from hiseg_ros.bags.bag import Bag
    from hiseg_ros.bags.recording import open_recording, read_file
    from hiseg_ros.errors import HisegError
    from hiseg_ros.images.image_message import (
        ENCODINGS,
        decode_compressed,
        decode_image,
        rgb_of,
        values_of,
    )
    from hiseg_ros.inference.model_file import read_info
    from hiseg_ros.messages.codec import decode_mask, decode_probability_map
    from hiseg_ros.taxonomy import load_mapping, load_taxonomy

STREET = load_taxonomy('street')
FOLDER = Path(tempfile.mkdtemp(prefix='hiseg_fuzz_'))


def in_file(suffix: str, data: bytes) -> Path:
    path = FOLDER / f'input{suffix}'
    path.write_bytes(data)
    return path


def compressed(data: bytes) -> None:
    """Compressed images, by the node and by the replay."""
    message = SimpleNamespace(format='jpeg', data=np.frombuffer(data, np.uint8))
    for read in (decode_compressed, rgb_of, values_of):
        try:
            read(message)
        except HisegError:
            pass


def side(given: atheris.FuzzedDataProvider) -> int:
    """Return a height or width: mostly one that data can fit, else any."""
    return given.ConsumeIntInRange(0, 40) if given.ConsumeBool() else given.ConsumeUInt(4)


def content(given: atheris.FuzzedDataProvider, fitting: int) -> bytes:
    """Return data, padded to the fitting length where that is small and it is told to be."""
    is_padded = given.ConsumeBool()
    data = given.ConsumeBytes(4096)
    return data[:fitting].ljust(fitting, b'\x7f') if is_padded and fitting <= 1 << 20 else data


def image(data: bytes) -> None:
    """Raw images."""
    given = atheris.FuzzedDataProvider(data)
    encoding = given.PickValueInList([*sorted(ENCODINGS), ''])
    height, width, step = side(given), side(given), given.ConsumeIntInRange(0, 400)
    is_bigendian, pixels = given.ConsumeBool(), content(given, step * (height + height // 2))
    message = SimpleNamespace(
        encoding=encoding, height=height, width=width, step=step, is_bigendian=is_bigendian,
        data=np.frombuffer(pixels, np.uint8),
    )  # fmt: skip
    for read in (decode_image, rgb_of, values_of):
        try:
            read(message)
        except HisegError:
            pass


def result(data: bytes) -> None:
    """Probability maps and masks, by their fields."""
    given = atheris.FuzzedDataProvider(data)
    height, width = side(given), side(given)
    encoding = given.PickValueInList(['uint8', 'float16', 'packbits', 'raw', ''])
    node_ids = list(given.ConsumeBytes(given.ConsumeIntInRange(0, 4)))
    fitting = {
        'uint8': len(node_ids) * height * width, 'float16': 2 * len(node_ids) * height * width,
        'packbits': -(-height * width // 8),
    }.get(encoding, height * width)  # fmt: skip
    fields = {
        'encoding': encoding, 'height': height, 'width': width, 'node_ids': node_ids,
        'roi': SimpleNamespace(height=height, width=width), 'data': content(given, fitting),
    }  # fmt: skip
    for read in (decode_mask, decode_probability_map):
        try:
            read(SimpleNamespace(**fields))
        except HisegError:
            pass


def message(data: bytes) -> None:
    """Probability maps and signs as recordings hold them."""
    for kind in hostile.RESULTS:
        try:
            hostile.read_result(kind, data)
        except HisegError:
            pass


def yaml(data: bytes) -> None:
    """Trees and mappings."""
    path = in_file('.yaml', data)
    for load in (load_taxonomy, lambda one: load_mapping(one, STREET)):
        try:
            load(path)
        except HisegError:
            pass


def model(data: bytes) -> None:
    """Info blocks; the first byte chooses the kind of file."""
    suffix = ('.onnx', '.pt2', '.safetensors')[(data or b'\0')[0] % 3]
    try:
        read_info(in_file(suffix, data[1:]))
    except HisegError:
        pass


def bag(data: bytes) -> None:
    """Recordings; the first byte chooses the kind of file."""
    path = in_file(('.mcap', '.db3')[(data or b'\0')[0] % 2], data[1:])
    try:
        recording = open_recording(path)
        list(read_file(path, frozenset(topic.name for topic in recording.topics)))
    except HisegError:
        pass
    try:
        with Bag(path) as opened:
            for raw in opened.raw():
                opened.decode(raw)
    except HisegError:
        pass


READERS: dict[str, Callable[[bytes], None]] = {
    'compressed': compressed, 'image': image, 'result': result, 'message': message, 'yaml': yaml,
    'model': model, 'bag': bag,
}  # fmt: skip


def seeds(name: str) -> Path:
    """Return a folder with whole files to start from."""
    folder = FOLDER / 'seeds'
    folder.mkdir()
    found: list[bytes] = [np.random.default_rng(k).bytes(300) for k in range(50)]
    if name == 'compressed':
        found = [hostile.jpeg(), hostile.jpeg(progressive=True), hostile.png()]
    elif name == 'message':
        found = list(hostile.results().values())
    elif name == 'yaml':
        found = [b'name: t\nversion: "1"\ntree: {name: a, color: "#000000", children: []}\n']
    elif name in ('model', 'bag'):
        import test_model_files_hostile as files

        found = [b'\0' + files.onnx_file(), b'\1' + files.archive()]
        found += [b'\2' + files.safetensors_file()]
        if name == 'bag':
            from hiseg_ros.bags.footage import Frame, write_camera_bag

            found = []
            for kind, storage in enumerate(('mcap', 'sqlite3')):
                where = FOLDER / storage
                write_camera_bag(
                    where, [Frame(np.zeros((2, 2, 3), np.uint8))], 1.0, storage=storage
                )
                found += [
                    bytes([kind]) + path.read_bytes()
                    for path in where.iterdir() if path.name != 'metadata.yaml'
                ]  # fmt: skip
    for number, content in enumerate(found):
        (folder / str(number)).write_bytes(content)
    return folder


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(f'{sys.argv[0]}: expected one of {", ".join(READERS)} as the first word.')
    chosen = sys.argv.pop(1)
    corpus = [] if any(not word.startswith('-') for word in sys.argv[1:]) else [str(seeds(chosen))]
    atheris.Setup([*sys.argv, *corpus, '-rss_limit_mb=3000', '-timeout=30'], READERS[chosen])
    atheris.Fuzz()
