# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Flicker is counted on steady pixels only, and signs keep their track."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from replay_support import ColourEngine, drive, tree

from hiseg_ros.regions import subclass_masks
from hiseg_ros.replay.camera_metrics import CameraMetrics
from hiseg_ros.replay.confidence import ConfidenceShares
from hiseg_ros.replay.motion import motion_between, reduced_labels, reduced_size
from hiseg_ros.replay.sign_tracks import MAX_MISSED, Moment, SignTracks, iou
from hiseg_ros.replay.stability import Stability
from hiseg_ros.replay.state_json import dumps, loads
from hiseg_ros.types import NodeProbabilities, Segmentation, SubclassMask

SIZE = (96, 128)


def texture(shift: int = 0) -> NDArray[np.uint8]:
    """Return a grey image, moved to the left."""
    rng = np.random.default_rng(4)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (SIZE[0], 200), np.uint8), (0, 0), 2)
    stretched = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.ascontiguousarray(stretched[:, shift : shift + SIZE[1]])


def test_a_shift_is_found_and_what_leaves_the_image_is_not_steady() -> None:
    """Three pixels to the left."""
    motion = motion_between(texture(0), texture(3))
    assert motion is not None
    inner = motion.flow[10:-10, 10:-10]
    assert np.abs(inner - (-3, 0)).max() < 0.5
    assert motion.is_steady[:, 8:-8].mean() > 0.95
    assert not motion.is_steady[:, 0].any()


def test_another_image_has_hardly_a_steady_pixel() -> None:
    """A cut is no motion."""
    motion = motion_between(texture(0), np.ascontiguousarray(texture(0)[::-1, ::-1]))
    assert motion is not None
    assert motion.is_steady.mean() < 0.2


def test_the_number_of_threads_changes_nothing() -> None:
    """OpenCV's method alone would depend on it."""
    found, before = [], cv2.getNumThreads()
    for threads in (1, 4):
        cv2.setNumThreads(threads)
        motion = motion_between(texture(0), texture(3))
        assert motion is not None
        found.append(motion.flow)
        assert cv2.getNumThreads() == threads
    cv2.setNumThreads(before)
    np.testing.assert_array_equal(*found)


def test_labels_that_move_with_the_image_do_not_flicker() -> None:
    """And those that stand still do, at their borders."""
    motion = motion_between(texture(0), texture(3))
    assert motion is not None
    stripes = np.broadcast_to(np.where(np.arange(200) // 20 % 2, 2, 3), (SIZE[0], 200))
    labels = stripes.astype(np.uint8)
    moving, still = Stability(tree()), Stability(tree())
    first, moved = labels[:, : SIZE[1]], labels[:, 3 : 3 + SIZE[1]]
    assert moving.add(first, moved, motion)['flicker'] < 0.01
    # Three columns of every twenty.
    assert still.add(first, first, motion)['flicker'] == pytest.approx(0.15, abs=0.03)
    rows = {row['name']: row for row in still.summary()['by_node']}
    assert set(rows) == {'road', 'walk'}
    # Both are ground: at the first level nothing changed.
    by_level = [row['flicker'] for row in still.summary()['flicker_by_level']]
    assert by_level == [0.0, *[still.summary()['flicker']] * 2]


def test_unlabeled_pixels_do_not_count() -> None:
    """255 on either side."""
    motion = motion_between(texture(0), texture(0))
    assert motion is not None
    one, none = np.full(SIZE, 2, np.uint8), np.full(SIZE, 255, np.uint8)
    stability = Stability(tree())
    assert stability.add(one, none, motion)['flicker'] is None
    assert stability.summary()['steady_pixels'] == 0


def test_labels_are_reduced_to_pixels_that_are_there() -> None:
    """No label is made up between two others."""
    labels = np.random.default_rng(0).choice([2, 9], (720, 1280)).astype(np.uint8)
    assert reduced_labels(labels).shape == reduced_size(labels.shape) == (180, 320)
    assert set(np.unique(reduced_labels(labels))) == {2, 9}


def test_low_confidence_is_below_one_half() -> None:
    """127 is, 128 is not."""
    shares = ConfidenceShares()
    metrics = shares.add(np.array([[127, 128, 255, 0]], np.uint8))
    assert metrics == {'low_share': 0.5, 'mean': 0.5}
    assert shares.summary()['histogram'][127] == 1


def sign(y: int, x: int, node_id: int = 7, side: int = 10, vote: float = 0.9) -> SubclassMask:
    """Return a square sign."""
    top = ((node_id, vote), (8 if node_id == 7 else 7, 1 - vote))
    mask = np.ones((side, side), np.bool_)
    return SubclassMask(node_id, 4, vote, top, (y, x, side, side), mask, side * side)


def follow(sightings: list[list[SubclassMask]], step: int = 12) -> SignTracks:
    """Follow signs while the image moves to the left by `step` pixels a frame."""
    tracks = SignTracks(tree())
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = -step
    motion = motion_between(texture(0), texture(0))
    assert motion is not None
    for number, masks in enumerate(sightings):
        moment = Moment(number, 1000 + number)
        known = replace(motion, flow=flow) if number else None
        tracks.add(moment, masks, known, SIZE)
    return tracks


def test_a_sign_that_moves_further_than_its_size_keeps_its_track() -> None:
    """Ten pixels wide, twelve a frame; the type is the one with most votes."""
    types = [7, 8, 7, 7]
    tracks = follow([[sign(20, 100 - 12 * n, t)] for n, t in enumerate(types)])
    [track] = tracks.summary()
    assert (track['name'], track['sightings']) == ('limit_30', 4)
    assert (track['first_frame'], track['last_frame'], track['last_stamp_ns']) == (0, 3, 1003)
    votes = {row['name']: (row['frames'], row['vote']) for row in track['votes']}
    assert votes == {'limit_30': (3, 2.8), 'limit_50': (1, 1.2)}


def test_a_sign_may_go_unseen_for_some_frames_and_not_for_more() -> None:
    """It is expected where the image took it."""
    for gap, count in ((MAX_MISSED, 1), (MAX_MISSED + 1, 2)):
        nothing: list[list[SubclassMask]] = [[] for _ in range(gap)]
        later = sign(20, 110 - 12 * (gap + 1))
        tracks = follow([[sign(20, 110)], *nothing, [later]])
        assert len(tracks.summary()) == count


def test_two_signs_side_by_side_stay_two() -> None:
    """Each goes to the one it overlaps most."""
    tracks = follow(
        [[sign(20, 60 - 12 * n), sign(20, 71 - 12 * n, 8)] for n in range(4)]
    ).summary()
    assert [(track['name'], track['sightings']) for track in tracks] == [
        ('limit_30', 4), ('limit_50', 4)
    ]  # fmt: skip


def test_the_best_sighting_is_large_and_sure() -> None:
    """Its frame and box are kept for a crop."""
    sides = [8, 10, 12, 9]
    tracks = follow([[sign(20, 60, side=side)] for side in sides], step=0)
    [track] = tracks.summary()
    assert track['best'] == {
        'frame': 2, 'stamp_ns': 1002, 'roi': [20, 60, 12, 12], 'node_id': 7, 'score': 0.9
    }  # fmt: skip


def unknown(one: SubclassMask) -> SubclassMask:
    """Return a sign whose types had too few votes."""
    top = ((one.parent_id, 1.0), *one.top)
    return replace(one, node_id=one.parent_id, score=1.0, top=top)


def test_sightings_of_unknown_type_vote_but_do_not_name() -> None:
    """A sign that was sure of its type once has that one, and its best sighting is a sure one."""
    far = [unknown(sign(20, 60, 8, vote=0.4)) for _ in range(5)]
    [track] = follow([[one] for one in far], step=0).summary()
    assert (track['node_id'], track['best']['node_id']) == (4, 4)
    votes = {row['node_id']: (row['frames'], row['vote']) for row in track['votes']}
    assert votes == {8: (0, 2.0), 7: (0, 3.0)}
    [track] = follow([*([one] for one in far), [sign(20, 60, 8)]], step=0).summary()
    assert (track['node_id'], track['best']['frame']) == (8, 5)


def test_overlap_of_masks() -> None:
    """Boxes that overlap need not share a pixel."""
    full = np.ones((4, 4), np.bool_)
    assert iou((0, 0, 4, 4), full, (0, 0, 4, 4), full) == 1.0
    assert iou((0, 0, 4, 4), full, (0, 2, 4, 4), full) == pytest.approx(1 / 3)
    assert iou((0, 0, 4, 4), full, (9, 9, 4, 4), full) == 0.0
    corner = np.zeros((4, 4), np.bool_)
    corner[0, 0] = True
    assert iou((0, 0, 4, 4), corner, (1, 1, 4, 4), full) == 0.0


def test_a_state_gives_exactly_the_same_metrics_afterwards() -> None:
    """Written as text after every frame and read back."""
    engine = ColourEngine()
    whole, broken = CameraMetrics(engine.taxonomy), CameraMetrics(engine.taxonomy)
    for number, frame in enumerate(drive(12)):
        segmentation = engine.segment(frame.rgb)
        masks = subclass_masks(segmentation, engine.taxonomy)
        moment = Moment(number, number * 100_000_000)
        fresh = CameraMetrics(engine.taxonomy)
        fresh.load(loads(dumps(broken.state())))
        broken = fresh
        one = whole.add(moment, frame.rgb, segmentation, masks)
        assert broken.add(moment, frame.rgb, segmentation, masks) == one
    assert json.dumps(broken.summary()) == json.dumps(whole.summary())


def test_a_pause_or_a_jump_back_is_not_compared() -> None:
    """A recording that was stopped and started again."""
    engine = ColourEngine()
    [frame] = drive(1)
    segmentation = engine.segment(frame.rgb)
    metrics = CameraMetrics(engine.taxonomy)
    found = [
        metrics.add(Moment(number, stamp), frame.rgb, segmentation, ())['stability'] is not None
        for number, stamp in enumerate([0, 10**8, 5 * 10**9, 4 * 10**9, 41 * 10**8])
    ]
    assert found == [False, True, False, False, True]


def test_a_tiny_image_has_no_motion() -> None:
    """Below two patches of the method."""
    small = np.zeros((8, 8), np.uint8)
    assert motion_between(small, small) is None
    metrics = CameraMetrics(tree())
    rgb = np.zeros((8, 8, 3), np.uint8)
    probabilities = NodeProbabilities(np.ones((11, 2, 2), np.float32), (8, 8))
    segmentation = Segmentation(small + np.uint8(2), small, probabilities)
    for number in range(2):
        record = metrics.add(Moment(number, number), rgb, segmentation, ())
        assert record['stability'] is None


def test_arrays_and_numbers_survive_as_text() -> None:
    """Bit by bit, with their types."""
    values = {'a': np.arange(6, dtype=np.float32).reshape(2, 3), 'b': [np.array([True, False])],
              'c': 0.1 + 0.2, 'd': None, 'e': np.zeros((0, 3), np.int64)}  # fmt: skip
    back = loads(dumps(values))
    np.testing.assert_array_equal(back['a'], values['a'])
    assert back['a'].dtype == np.float32 and back['b'][0].dtype == np.bool_
    assert back['c'] == 0.1 + 0.2 and back['e'].shape == (0, 3)
    with pytest.raises(ValueError):
        loads(dumps(values)[:-9])
