# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images in pinned memory arrive unchanged, and none is overwritten too early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hiseg_ros.inference.backends import staging as staging_module
from hiseg_ros.inference.backends.staging import Staging
from hiseg_ros.preprocessing import Preprocessing, _in_grey_levels


def test_staged_images_arrive_as_they_were(street_image: np.ndarray) -> None:
    """Of any layout and size, and the camera's buffer may change at once."""
    staging = Staging(torch.device('cpu'))
    for image in (street_image, street_image[..., ::-1], street_image[:50, 3:70]):
        with staging.held(image) as pixels:
            np.testing.assert_array_equal(pixels.numpy(), image)
            pixels = pixels.clone()
        before = image.copy()
        image[:] = 0
        np.testing.assert_array_equal(pixels.numpy(), before)
        image[:] = before
    assert len(staging._pieces) == 2
    staging.clear()
    assert not staging._pieces


def test_memory_is_kept_for_the_sizes_that_came_last() -> None:
    staging = Staging(torch.device('cpu'))
    for height in (*range(1, staging_module.MAX_SIZES + 1), 1, staging_module.MAX_SIZES + 1):
        with staging.held(np.zeros((height, 4, 3), np.uint8)):
            pass
    assert len(staging._pieces) == staging_module.MAX_SIZES
    assert (1, 4, 3) in staging._pieces
    assert (2, 4, 3) not in staging._pieces


def test_the_copy_before_is_waited_for_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a fault inside: its copy may have begun."""
    log: list[str] = []

    class Event:
        """Stands for torch.cuda.Event."""

        def record(self, stream: Any) -> None:
            log.append(f'record in {stream}')

        def synchronize(self) -> None:
            log.append('wait')

    def empty(shape: Any, dtype: Any, pin_memory: bool) -> torch.Tensor:
        log.append(f'pinned {pin_memory}')
        return torch.zeros(shape, dtype=dtype)

    monkeypatch.setattr(torch.cuda, 'Event', Event)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: f'stream of {device}')
    monkeypatch.setattr(torch, 'empty', empty)
    staging = Staging(torch.device('cuda:1'))
    image = np.zeros((2, 3, 3), np.uint8)
    with staging.held(image):
        log.append('copy')
    with pytest.raises(KeyError), staging.held(image):
        raise KeyError
    assert log == [
        'pinned True',
        'wait',
        'copy',
        'record in stream of cuda:1',
        'wait',
        'record in stream of cuda:1',
    ]


def test_mean_and_deviation_are_brought_to_a_device_once() -> None:
    """Not at every frame: the host would wait for both copies."""
    rule = Preprocessing(mean=(0.25, 0.5, 0.75))
    before = _in_grey_levels.cache_info().misses
    with torch.inference_mode():
        for level in (0, 200):
            found = rule.normalize(torch.full((1, 3, 2, 2), level, dtype=torch.uint8))
            expected = (level / 255 - torch.tensor(rule.mean)) / torch.tensor(rule.std)
            torch.testing.assert_close(found[0, :, 0, 0], expected)
    assert _in_grey_levels.cache_info().misses == before + 1
    # Training may use them after an engine of the process did.
    images = torch.ones(1, 3, 2, 2, requires_grad=True)
    rule.normalize(images).sum().backward()
    assert images.grad is not None
