# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images of several sizes are learnt from at the size at which the node sees each of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.needs('torch', 'train')
pytest.importorskip('torch')

from hiseg_ros.adapt.common_scale import size_to_learn_at  # noqa: E402
from hiseg_ros.adapt.work_folder import WorkFolder  # noqa: E402
from hiseg_ros.preprocessing import Preprocessing  # noqa: E402

RULE = Preprocessing(largest_height=448)
LARGE = (1080, 1920)


@pytest.mark.parametrize('size', [LARGE, (480, 640), (720, 1280), (640, 480), (2160, 3840)])
def test_the_factor_of_the_run_brings_every_image_to_the_size_that_the_node_sees(
    size: tuple[int, int],
) -> None:
    factor = RULE.input_size(LARGE)[0] / LARGE[0]
    learnt = size_to_learn_at(size, LARGE, RULE)
    for side, seen in zip(learnt, RULE.input_size(size), strict=True):
        assert side * factor == pytest.approx(seen, rel=0.08)
    assert learnt[0] / learnt[1] == pytest.approx(size[0] / size[1], rel=0.01)
    if size == LARGE:
        assert learnt == LARGE


def test_sizes_with_the_same_factor_are_left_alone() -> None:
    assert size_to_learn_at((960, 600), (600, 960), RULE) == (960, 600)
    assert size_to_learn_at((400, 600), (300, 500), RULE) == (400, 600)


def test_frame_and_labels_are_resized_together(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / 'work', {})
    frame = work.path / 'frames' / '00000.jpg'
    frame.parent.mkdir()
    cv2.imwrite(str(frame), np.full((48, 64, 3), (200, 90, 10), np.uint8))
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 32:] = 7
    images, written = work.target / 'images', work.target / 'labels'
    work.write_labels(frame, labels, (48, 64))
    assert (images / '00000.jpg').read_bytes() == frame.read_bytes()
    work.write_labels(frame, labels, (72, 96))
    found = cv2.imread(str(images / '00000.jpg'))
    assert found is not None and found.shape == (72, 96, 3)
    assert np.abs(found.astype(int) - (200, 90, 10)).max() < 6
    ids = cv2.imread(str(written / '00000.png'), cv2.IMREAD_UNCHANGED)
    assert ids is not None and ids.shape == (72, 96)
    assert not ids[:, :48].any() and (ids[:, 48:] == 7).all()
