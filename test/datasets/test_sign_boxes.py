# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sign types and boxes: the outline of each type, and the label ids that boxes give."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.datasets.sample import Box
from hiseg_ros.datasets.sign_boxes import box_label_ids
from hiseg_ros.datasets.sign_types import (
    OUTSIDE_ALL_BOXES,
    SIGN_TYPES,
    TYPE_COUNT,
    read_sign_types,
    sign_shape,
)
from hiseg_ros.errors import MappingError
from hiseg_ros.resources import config_path

TRIANGLES_UP = {11, *range(18, 32)}


def test_the_types_are_those_of_the_benchmark_in_its_order() -> None:
    assert TYPE_COUNT == OUTSIDE_ALL_BOXES == len(set(SIGN_TYPES)) == 43
    assert (SIGN_TYPES[0], SIGN_TYPES[14], SIGN_TYPES[42]) == (
        'p_limit_20',
        'o_stop',
        'o_restr_end_ovrtkng_t',
    )


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('shape: octagon', 'shape: star', "'o_stop' .* shape 'star'; expected .* octagon"),
        (', shape: octagon', '', "'o_stop' .* shape ''; expected"),
        ('{id: 7,', '{id: 77,', "'p_limit_100' .* id 77 .*; expected id 7"),
        ('    evaluated: false\n', '    shape: circle\n', r'44 sign types and the labels \[\]'),
    ],
)
def test_a_table_of_types_that_cannot_be_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = config_path('mappings/gtsdb.yaml').read_text()
    assert text.count(old) == 1
    path = tmp_path / 'signs.yaml'
    path.write_text(text.replace(old, new))
    with pytest.raises(MappingError, match=words):
        read_sign_types(str(path))


@pytest.mark.parametrize('label_id', range(43))
@pytest.mark.parametrize('size', [(17, 16), (40, 41), (128, 120)])
def test_the_shape_of_a_type_covers_the_share_of_its_box_that_the_published_labels_have(
    label_id: int, size: tuple[int, int]
) -> None:
    """Circle 0.79, triangle and diamond 0.50 to 0.51, octagon 0.83 to 0.87 (method table 1.6)."""
    share = sign_shape(label_id, *size).mean()
    expected = 0.5 if label_id in TRIANGLES_UP | {12, 13} else 0.85 if label_id == 14 else 0.785
    # Fewer pixels, coarser outline.
    assert share == pytest.approx(expected, abs=0.03 + 0.8 / min(size))


def test_shapes_point_the_right_way() -> None:
    """Danger up, give way down, and all are symmetric left to right."""
    up, down, diamond = (sign_shape(label_id, 41, 41) for label_id in (18, 13, 12))
    assert up[-2].sum() > 35 > 5 > up[1].sum()
    assert down[1].sum() > 35 > 5 > down[-2].sum()
    assert diamond[20].all()
    assert diamond[:, 20].all()
    for label_id in range(43):
        shape = sign_shape(label_id, 41, 41)
        assert (shape != shape[:, ::-1]).mean() < 0.03, label_id


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (2, 2), (3, 50)])
def test_the_smallest_boxes_have_a_shape(size: tuple[int, int]) -> None:
    """No type of no size is empty."""
    for label_id in range(43):
        assert sign_shape(label_id, *size).shape == size
        assert sign_shape(label_id, *size).any()


def test_overlapping_boxes_keep_the_later_shape_and_no_outside() -> None:
    """Corners of one box do not erase the shape of another."""
    boxes = (Box(0, 0, 19, 19, 1), Box(10, 0, 29, 19, 2))
    label_ids = box_label_ids(boxes, (20, 30))
    assert label_ids[10, 5] == 1
    assert label_ids[10, 20] == 2
    assert label_ids[2, 11] == 1, 'the corner of the second box lies on the first shape'
    assert (label_ids != OUTSIDE_ALL_BOXES).all()


def test_an_image_without_boxes_is_outside_everywhere() -> None:
    """Every box of the types is annotated."""
    assert (box_label_ids((), (3, 4)) == OUTSIDE_ALL_BOXES).all()
