# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The size rule and the arithmetic between camera image and network input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiseg_ros.errors import ConfigError
from hiseg_ros.preprocessing import Preprocessing

SIDES = st.integers(1, 5000)


@pytest.mark.parametrize(
    ('image', 'input_height', 'expected'),
    [
        ((360, 480), 0, (352, 480)),  # CamVid
        ((800, 1360), 0, (800, 1344)),  # GTSDB: 1360 is 42.5 times 32
        ((540, 960), 0, (544, 960)),
        ((1024, 2048), 0, (800, 1600)),  # reduced to the largest height
        ((2048, 1024), 0, (1600, 800)),  # the shorter side counts, whichever it is
        ((480, 640), 240, (256, 320)),  # 240 is 7.5 times 32: to the even multiple
        ((480, 640), 960, (960, 1280)),  # enlarged only when asked for
        ((1, 1), 0, (32, 32)),
        ((7, 1000), 0, (32, 992)),
    ],
)
def test_the_input_size_follows_the_rule(
    image: tuple[int, int], input_height: int, expected: tuple[int, int]
) -> None:
    """Known cameras and the edges."""
    assert Preprocessing().input_size(image, input_height) == expected


@given(height=SIDES, width=SIDES, input_height=st.sampled_from([0, 32, 100, 512, 800, 1500]))
def test_the_input_size_is_a_multiple_of_32_near_the_wanted_size(
    height: int, width: int, input_height: int
) -> None:
    """Each side is rounded by at most half a multiple; small images are not enlarged further."""
    rule = Preprocessing()
    size = rule.input_size((height, width), input_height)
    wanted = input_height or min(height, width, rule.largest_height)
    for side, original in zip(size, (height, width), strict=True):
        assert side % 32 == 0
        assert side >= 32
        assert side == 32 or abs(side - original * wanted / min(height, width)) <= 16


def test_another_multiple_and_height_of_the_weights_are_obeyed() -> None:
    """The rule is stored with the weights."""
    rule = Preprocessing(largest_height=512, multiple=64)
    assert rule.input_size((1080, 1920)) == (512, 896)


def test_small_images_are_enlarged_where_the_weights_ask_for_it() -> None:
    """At most twofold, and not beyond the largest height."""
    rule = Preprocessing(smallest_height=512)
    assert rule.input_size((360, 480)) == (512, 672)  # 682.7 is 21.3 times 32
    assert rule.input_size((512, 1024)) == (512, 1024)
    assert rule.input_size((1080, 1920)) == (800, 1408)  # 1422.2 is 44.4 times 32
    assert rule.input_size((120, 160)) == (256, 320)  # 240 is 7.5 times 32: to the even multiple
    assert rule.input_size((7, 1000)) == (32, 1984)
    assert rule.input_size((360, 480), 352) == (352, 480)


def test_narrow_images_are_enlarged_where_the_weights_ask_for_it() -> None:
    """Wide images of little height stay as they are."""
    rule = Preprocessing(smallest_width=960)
    assert rule.input_size((360, 480)) == (704, 960)  # 720 is 22.5 times 32: to the even multiple
    assert rule.input_size((480, 360)) == (960, 704)
    assert rule.input_size((360, 640)) == (544, 960)
    assert rule.input_size((512, 1024)) == (512, 1024)
    assert rule.input_size((375, 1242)) == (384, 1248)
    assert rule.input_size((1080, 1920)) == (800, 1408)
    assert rule.input_size((120, 160)) == (256, 320)  # at most twofold
    assert rule.input_size((360, 480), 352) == (352, 480)
    both = Preprocessing(smallest_width=960, smallest_height=600)
    assert both.input_size((512, 1024)) == (608, 1216)  # the larger factor
    assert both.input_size((360, 480)) == (704, 960)


@pytest.mark.parametrize('input_height', [-32, -1, 1, 31])
def test_an_input_height_below_the_multiple_is_refused(input_height: int) -> None:
    """The message says what was given and what is possible."""
    with pytest.raises(ConfigError, match=rf'{input_height}; expected 0 .* at least 32'):
        Preprocessing().input_size((480, 640), input_height)


def test_an_image_of_the_input_size_is_only_normalised() -> None:
    """Channel order stays red, green, blue and every pixel its place."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 96, 3), np.uint8)
    rule = Preprocessing()
    found = rule.prepare(image)
    expected = (image / 255 - rule.mean) / rule.std
    assert found.shape == (1, 3, 64, 96)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, atol=1e-5)


def test_a_reduced_image_keeps_its_mean_and_loses_no_fine_stripes() -> None:
    """Reduction averages (antialiased): one-pixel stripes become grey, not moire."""
    image = np.zeros((1600, 1600, 3), np.uint8)
    image[:, ::2] = 200
    rule = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))
    found = rule.prepare(image, input_height=400) * 255
    assert found.shape == (1, 3, 384, 384)
    assert (found - 100).abs().max() < 8


def test_training_and_inference_normalise_alike() -> None:
    """The batch of a training step and a camera image go through the same arithmetic."""
    image = np.random.default_rng(1).integers(0, 256, (32, 64, 3), np.uint8)
    rule = Preprocessing()
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    torch.testing.assert_close(rule.normalize(batch), rule.prepare(image))


@pytest.mark.parametrize('layout', ['reversed channels', 'flipped', 'read-only', 'strided'])
def test_any_memory_layout_gives_the_same_input(layout: str) -> None:
    """Views with negative strides, as `bgr[..., ::-1]`, and read-only views are images too."""
    base = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    view = {
        'reversed channels': base[..., ::-1],
        'flipped': base[::-1, ::-1],
        'read-only': np.frombuffer(base.tobytes(), np.uint8).reshape(base.shape),
        'strided': base[::2, ::2],
    }[layout]
    rule = Preprocessing()
    assert torch.equal(rule.prepare(view), rule.prepare(view.copy()))


def test_preparing_leaves_the_image_as_it_was() -> None:
    """The caller's image is not normalised in place."""
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    before = image.copy()
    Preprocessing().prepare(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ('settings', 'word'),
    [
        ({'mean': (0.5, 0.5)}, 'mean'),
        ({'mean': (0.5, 0.5, 124.0)}, 'mean'),
        ({'std': (0.2, 0.0, 0.2)}, 'std'),
        ({'std': 'x'}, 'std'),
        ({'std': None}, 'std'),
        ({'largest_height': 0}, 'largest_height'),
        ({'smallest_height': 900}, 'smallest_height'),
        ({'smallest_height': -1}, 'smallest_height'),
        ({'smallest_width': -1}, 'smallest_width'),
        ({'smallest_width': 960.0}, 'smallest_width'),
        ({'multiple': 16}, 'multiple'),
    ],
)
def test_values_that_cannot_work_are_refused(settings: dict[str, object], word: str) -> None:
    """A mean in 0..255 or a deviation of zero is caught where it is written."""
    with pytest.raises(ConfigError, match=word):
        Preprocessing(**settings)  # type: ignore[arg-type]
