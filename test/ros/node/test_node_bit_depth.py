# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node stretches the 16-bit images of each camera by its own bit depth, and says which."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.needs('ros')


def camera_of(monkeypatch: pytest.MonkeyPatch, said: list[str], bit_depth: int) -> Any:
    """Return a camera without a graph that logs to a list."""
    from hiseg_ros.ros.node import camera as module
    from hiseg_ros.ros.node.frame_slots import FrameSlots
    from hiseg_ros.ros.parameters import NodeParameters

    monkeypatch.setattr(module, 'CameraPublishers', lambda *given: None)
    subscriptions = SimpleNamespace(camera_info=None)
    monkeypatch.setattr(module, 'CameraSubscriptions', lambda *given: subscriptions)
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(info=said.append))
    tree: Any = None
    return module.Camera(node, 'front', NodeParameters(bit_depth=bit_depth), tree, FrameSlots())


def decoded(camera: Any, values: np.ndarray) -> np.ndarray:
    """Return the image that the node decodes of mono16 samples."""
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.node.frame_stages import decode
    from hiseg_ros.ros.parameters import NodeParameters

    message = Image(encoding='mono16', height=values.shape[0], width=values.shape[1])
    message.step, message.data = 2 * values.shape[1], values.astype('<u2').tobytes()
    frame: Any = SimpleNamespace(message=message)
    found = decode(camera, frame, frozenset(), NodeParameters())
    return found.rgb[..., 0]


def test_a_measured_depth_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again when a brighter image shows that it is larger."""
    said: list[str] = []
    camera = camera_of(monkeypatch, said, 0)
    values = np.arange(64).reshape(8, 8) * 16
    np.testing.assert_array_equal(decoded(camera, values), values >> 2)
    np.testing.assert_array_equal(decoded(camera, values // 2), values >> 3)
    assert len(said) == 1 and 'front: 10 bits' in said[0] and 'measured' in said[0]
    np.testing.assert_array_equal(decoded(camera, values * 4), values >> 2)
    assert len(said) == 2 and '12 bits' in said[1]


def test_the_parameter_gives_the_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the images hold."""
    said: list[str] = []
    camera = camera_of(monkeypatch, said, 12)
    values = np.arange(64).reshape(8, 8) * 16
    np.testing.assert_array_equal(decoded(camera, values), values >> 4)
    assert len(said) == 1 and '12 bits' in said[0] and 'as given' in said[0]


@pytest.mark.parametrize('bits', [1, 7, 17, '12', 12.0])
def test_other_depths_are_refused(bits: Any) -> None:
    """With those that there are."""
    from hiseg_ros.errors import ConfigError
    from hiseg_ros.ros.parameters import check

    assert check('bit_depth', 12) == 12 and check('bit_depth', 0) == 0
    with pytest.raises(ConfigError, match=r'bit_depth is .*; expected'):
        check('bit_depth', bits)
