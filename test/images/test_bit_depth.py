# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of 10- and 12-bit sensors in 16-bit samples are stretched to bytes."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from image_messages import message_of
from replay_support import SIZE, ColourEngine, contents, replay
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.cli.shared.numbers import bit_depth
from hiseg_ros.errors import ConfigError
from hiseg_ros.images import read_image
from hiseg_ros.images.bit_depth import BitDepth
from hiseg_ros.images.image_message import ENCODINGS, rgb_of

RNG = np.random.default_rng(4)
SIDE = 12
WIDE = sorted(name for name, encoding in ENCODINGS.items() if encoding.sample_bytes == 2)


def samples(bits: int, channels: int) -> np.ndarray:
    """Return (SIDE, SIDE, channels) uint16 samples of a sensor that reach its largest value."""
    values = RNG.integers(0, 2**bits, (SIDE, SIDE, channels)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    return values


def sent(encoding: str, values: np.ndarray, *, big: bool = False) -> Any:
    """Return a message of samples, with padding after each row."""
    rows = values.astype('>u2' if big else '<u2').reshape(SIDE, -1).view(np.uint8)
    message = message_of(encoding, rows, height=SIDE, width=SIDE, padding=6)
    return SimpleNamespace(**{**vars(message), 'is_bigendian': int(big)})


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
@pytest.mark.parametrize('encoding', WIDE)
def test_the_image_is_that_of_the_sensors_high_bits(encoding: str, bits: int, big: bool) -> None:
    """As the 8-bit encoding of the same name gives it."""
    values = samples(bits, ENCODINGS[encoding].channels)
    narrow = (values >> (bits - 8)).astype(np.uint8).reshape(SIDE, -1)
    eight = message_of(encoding.replace('16', '8'), narrow, height=SIDE, width=SIDE)
    expected = rgb_of(eight)
    measured, known = BitDepth(), BitDepth(bits)
    np.testing.assert_array_equal(rgb_of(sent(encoding, values, big=big), measured), expected)
    np.testing.assert_array_equal(rgb_of(sent(encoding, values, big=big), known), expected)
    np.testing.assert_array_equal(rgb_of(sent(encoding, values, big=big)), expected)
    assert measured.bits == bits
    assert f'{bits} bits' in measured.text() and 'measured' in measured.text()
    assert 'as given' in known.text()


@pytest.mark.parametrize('bits', [10, 12, 16])
@pytest.mark.parametrize('channels', [1, 3])
def test_a_png_of_sixteen_bits_is_stretched(bits: int, channels: int) -> None:
    """Grey, colour and a mosaic."""
    values = samples(bits, channels)
    data = cv2.imencode('.png', values[..., 0] if channels == 1 else values)[1].reshape(-1)
    narrow = (values >> (bits - 8)).astype(np.uint8)
    found = rgb_of(SimpleNamespace(format='png', data=data))
    np.testing.assert_array_equal(found, np.broadcast_to(narrow[..., ::-1], found.shape))
    if channels == 1:
        form = 'bayer_rggb16; png compressed '
        eight = message_of('bayer_rggb8', narrow[..., 0], height=SIDE, width=SIDE)
        found = rgb_of(SimpleNamespace(format=form, data=data))
        np.testing.assert_array_equal(found, rgb_of(eight))


def test_a_dark_image_does_not_change_the_brightness_of_others() -> None:
    """A measured depth only rises; that of another camera is its own."""
    depth, values = BitDepth(), samples(12, 1)
    bright = rgb_of(sent('mono16', values), depth)
    dark = rgb_of(sent('mono16', values // 16), depth)
    assert dark.max() == bright.max() // 16
    np.testing.assert_array_equal(rgb_of(sent('mono16', values), depth), bright)
    other = BitDepth()
    rgb_of(sent('mono16', values // 16), other)
    assert (depth.bits, other.bits) == (12, 8)


def test_values_beyond_a_given_depth_are_clipped_and_said() -> None:
    """Instead of wrapping around."""
    depth, values = BitDepth(10), samples(12, 1)
    found = rgb_of(sent('mono16', values), depth)
    np.testing.assert_array_equal(found[..., 0], np.minimum(values[..., 0] >> 2, 255))
    assert 'up to 4095' in depth.text() and 'clipped' in depth.text()


def test_eight_bit_images_have_no_bit_depth() -> None:
    """Nothing is said of them, and a depth of 7 or 17 bits is refused."""
    depth = BitDepth()
    rgb_of(message_of('mono8', np.zeros((4, 4), np.uint8), height=4, width=4), depth)
    assert depth.bits is None and not depth.text()
    for bits in (0, 7, 17):
        with pytest.raises(ConfigError, match='8 to 16'):
            BitDepth(bits)


@pytest.mark.parametrize(('bits', 'is_said'), [(12, True), (16, False)])
def test_a_colour_file_of_sixteen_bits_is_stretched(
    tmp_path: Path, bits: int, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """With a word in the log where it has less than 16 bits."""
    values, path = samples(bits, 3), tmp_path / 'a.png'
    cv2.imwrite(str(path), values)
    np.testing.assert_array_equal(read_image(path), (values >> (bits - 8))[..., ::-1])
    assert (f'{bits} bits' in caplog.text) == is_said


@pytest.mark.parametrize('bits', [None, 12])
def test_a_replay_stretches_and_says_the_depth(tmp_path: Path, bits: int | None) -> None:
    """In metrics.json, too; a replay that goes on has the same results."""
    rows = [replay_rows(number) for number in range(12)]
    types, bag = node_types(), tmp_path / 'bag'
    with Writer(bag, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        of = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=types)
        for number, message in enumerate(rows):
            data = types.serialize_cdr(message, 'sensor_msgs/msg/Image')
            writer.write(of, EPOCH_NS + number * 10**8, data)
    seen: list[np.ndarray] = []

    class Engine(ColourEngine):
        def segment(self, rgb: Any) -> Any:
            seen.append(rgb)
            return super().segment(rgb)

    metrics = replay(bag, tmp_path / 'out', engine=Engine(), bit_depth=bits)
    assert metrics['cameras'][0]['bit_depth'] == {
        'bits': 12, 'measured': bits is None, 'largest': 4095
    }  # fmt: skip
    for rgb, message in zip(seen, rows, strict=True):
        wide = np.frombuffer(message.data.tobytes(), '<u2').reshape(SIZE)
        np.testing.assert_array_equal(rgb[..., 0], wide >> 4)
    # Killed behind the bright images, and gone on with the dark ones.
    with pytest.raises(KeyboardInterrupt):
        replay(bag, tmp_path / 'again', bit_depth=bits, on_frame=stop_at(7))
    replay(bag, tmp_path / 'again', bit_depth=bits)
    assert contents(tmp_path / 'again') == contents(tmp_path / 'out')


def stop_at(count: int) -> Any:
    """Return a callback that ends a replay after so many images."""

    def stop(frames: int) -> None:
        if frames == count:
            raise KeyboardInterrupt

    return stop


def replay_rows(number: int) -> Any:
    """Return a mono16 message of a 12-bit sensor, dark from the sixth on."""
    values = RNG.integers(0, 4096 if number < 6 else 200, SIZE).astype(np.uint16)
    values[0, 0] = 4095 if number < 6 else 199
    header = messages.header(EPOCH_NS + number * 10**8, 'camera')
    message = messages.image_message(header, np.zeros(SIZE, np.uint8))
    message.encoding, message.step = 'mono16', 2 * SIZE[1]
    message.data = values.reshape(-1).view(np.uint8)
    return message


@pytest.mark.parametrize(('text', 'bits'), [('auto', None), ('8', 8), ('16', 16)])
def test_the_option_takes_eight_to_sixteen_bits(text: str, bits: int | None) -> None:
    """Anything else is refused."""
    assert bit_depth(text) == bits
    for wrong in ('7', '17', '-1', 'x', '12.0'):
        with pytest.raises(argparse.ArgumentTypeError, match='8 to 16'):
            bit_depth(wrong)
