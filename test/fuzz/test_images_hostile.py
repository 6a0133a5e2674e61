# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are decoded as an image or refused; a false size in a header costs no memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import hostile
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiseg_ros.errors import ImageError
from hiseg_ros.images import read_ids, read_image, write_image
from hiseg_ros.images.file import image_size
from hiseg_ros.images.header import MAX_SCANS
from hiseg_ros.images.image_message import (
    ENCODINGS,
    decode_compressed,
    decode_image,
    rgb_of,
    values_of,
)

HERE = Path(__file__).resolve().parent
MODULES = f'{HERE}:{HERE.parent / "support"}'
LIES = {
    'header': lambda: hostile.claiming(hostile.jpeg(), 60000, 60000),
    'header below the limit of OpenCV': lambda: hostile.claiming(hostile.jpeg(), 30000, 30000),
    'second frame': lambda: hostile.large_then_small(20000, 20000),
    'hidden frame': lambda: hostile.hidden_frame(20000, 20000),
}

MEASURED = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
import cv2, hostile, numpy as np
from test_images_hostile import LIES, READERS
for read in READERS:
    read(Path('small.png'))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, lie in LIES.items():
    Path('lie.jpg').write_bytes(lie())
    for read in READERS:
        try:
            read(Path('lie.jpg'))
        except Exception as problem:
            print(type(problem).__name__)
        else:
            print('decoded', name, read)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def compressed(content: bytes, form: str = 'jpeg') -> SimpleNamespace:
    return SimpleNamespace(format=form, data=np.frombuffer(content, np.uint8))


READERS = (
    lambda path: decode_compressed(compressed(path.read_bytes())),
    lambda path: rgb_of(compressed(path.read_bytes())),
    lambda path: values_of(compressed(path.read_bytes())),
    read_image,
    read_ids,
)


def test_a_claim_of_60000_x_60000_pixels_costs_nothing(tmp_path: Path) -> None:
    """Wherever images are decoded; measured in a process of its own."""
    (tmp_path / 'small.png').write_bytes(hostile.png())
    result = subprocess.run(
        [sys.executable, '-c', MEASURED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={'PYTHONPATH': MODULES, 'OMP_NUM_THREADS': '1'},
    )
    *errors, mebibytes = result.stdout.split()
    assert errors == ['ImageError'] * len(LIES) * len(READERS), result.stderr
    assert int(mebibytes) < 20


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    """Each scan is a pass over all pixels; what cameras send has about ten."""
    assert decode_compressed(compressed(hostile.many_scans(0))).shape == (24, 32, 3)
    with pytest.raises(ImageError, match=f'more than {MAX_SCANS} scans'):
        decode_compressed(compressed(hostile.many_scans(MAX_SCANS)))


@hostile.fuzzed(150)
@given(
    content=st.one_of(
        *(
            hostile.damaged(whole)
            for whole in (hostile.jpeg(), hostile.jpeg(progressive=True), hostile.png())
        ),
        st.binary(max_size=200).map(lambda tail: b'\xff\xd8\xff' + tail),
        st.binary(max_size=200).map(lambda tail: b'\x89PNG\r\n\x1a\n' + tail),
    ),
    form=st.sampled_from(['jpeg', 'rgb8; jpeg compressed ', 'bayer_rggb8; png compressed', ';'])
    | st.text(max_size=20),
)
@example(content=b'', form='')
def test_a_damaged_image_is_decoded_or_refused(content: bytes, form: str) -> None:
    """By all readers, and the node's and the replay's agree."""
    answers = []
    for read in (decode_compressed, rgb_of, values_of):
        try:
            answers.append(read(compressed(content, form)))
        except ImageError as problem:
            assert 'expected' in str(problem)
            answers.append(None)
    node, replay, _ = answers
    assert (node is None) == (replay is None)
    if node is not None:
        np.testing.assert_array_equal(node, replay)


@hostile.fuzzed(100)
@given(
    encoding=st.sampled_from(sorted(ENCODINGS)) | st.text(max_size=8),
    height=st.integers(0, 12) | st.integers(0, 2**32 - 1),
    width=st.integers(0, 12) | st.integers(0, 2**32 - 1),
    step=st.integers(0, 100) | st.integers(0, 2**32 - 1),
    is_bigendian=st.integers(0, 255),
    data=st.binary(max_size=400),
)
def test_a_raw_image_is_decoded_or_refused(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: bytes
) -> None:
    """Node and replay agree; label images of a bag, too, raise nothing else."""
    message = SimpleNamespace(
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=is_bigendian,
        data=np.frombuffer(data, np.uint8),
    )
    answers = []
    for read in (decode_image, rgb_of, values_of):
        try:
            answers.append(read(message))
        except ImageError:
            answers.append(None)
    assert (answers[0] is None) == (answers[1] is None)
    if answers[0] is not None:
        assert answers[0].shape == (height, width, 3)
        np.testing.assert_array_equal(answers[0], answers[1])


@hostile.fuzzed(60)
@given(
    suffix=st.sampled_from(['.png', '.jpg', '.webp', '.ppm', '.bmp', '.tiff']),
    data=st.data(),
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    """Of each kind that is read."""
    pixels = np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8)
    content = data.draw(hostile.damaged(cv2.imencode(suffix, pixels)[1].tobytes()))
    path = tmp_path_factory.getbasetemp() / f'damaged{suffix}'
    path.write_bytes(content)
    for read in (read_image, read_ids, image_size):
        try:
            read(path)
        except ImageError as problem:
            assert str(path) in str(problem)


def test_a_name_that_is_no_text_ends_in_a_file_or_a_sentence(tmp_path: Path) -> None:
    """OpenCV's own writer ends the process on it."""
    path = tmp_path / 'a\udcff.png'
    write_image(path, np.zeros((2, 2, 3), np.uint8))
    assert read_image(path).shape == (2, 2, 3)
    for name in ('x' * 300 + '.png', 'no_suffix', 'folder/a.png'):
        with pytest.raises(ImageError, match='expected'):
            write_image(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ImageError, match='is missing or not'):
        read_image(tmp_path / ('x' * 300))
