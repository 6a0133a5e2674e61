# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg view` writes what a replay holds, as Rerun itself reads it back."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from replay_support import CAMERA, SIZE, TRUTH, mapping, tree
from viewer_support import Saved, view

from hiseg_ros.bags.bag import Bag, read_images

pytestmark = pytest.mark.needs('torch')

FRAMES = 12
NODE = '/segmentation'


@pytest.fixture(scope='module')
def saved(replayed: Path, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return view(replayed, tmp_path_factory.mktemp('view') / 'drive.rrd')


def stamps_of(replayed: Path) -> list[int]:
    return [stamp for stamp, _ in read_images(replayed / 'replay.mcap', CAMERA)]


def test_everything_is_on_one_timeline_under_the_stamps_of_the_images(
    saved: Saved, replayed: Path
) -> None:
    """Entities are called like their topics."""
    stamps = stamps_of(replayed)
    assert saved.timelines == {'stamp'}
    for entity in (
        CAMERA, f'{NODE}/labels', f'{NODE}/confidence', f'{NODE}/traffic_signs',
        f'{NODE}/level_1/most_probable', f'{NODE}/probabilities/road',
        f'{NODE}/stats/frames/processed',
    ):  # fmt: skip
        assert saved.stamps(entity) == stamps, entity


def test_the_labels_carry_names_and_colours(saved: Saved, replayed: Path) -> None:
    """The ids are the node's, and every node has an annotation."""
    [context] = saved.always[NODE]['context']
    classes = {entry['class_id']: entry['class_description']['info'] for entry in context}
    for node in tree().nodes:
        red, green, blue = node.color
        assert classes[node.node_id]['label'] == node.name
        assert classes[node.node_id]['color'] == red << 24 | green << 16 | blue << 8 | 0xFF
    assert classes[255]['label'] == 'unlabeled'
    assert classes[255]['color'] & 0xFF == 0
    expected = dict(read_images(replayed / 'replay.mcap', f'{NODE}/labels'))
    for stamp, values in saved.rows[f'{NODE}/labels']:
        [data] = values['buffer']
        assert np.array_equal(np.array(data, np.uint8).reshape(SIZE), expected[stamp])


def test_images_and_confidence_are_those_of_the_bag(saved: Saved, replayed: Path) -> None:
    """A compressed image keeps its bytes; confidence loses nothing."""
    bag = replayed / 'replay.mcap'
    with Bag(bag) as open_bag:
        images = [bytes(message.data) for _, message in open_bag.messages(CAMERA)]
    assert [bytes(row['blob'][0]) for _, row in saved.rows[CAMERA]] == images
    for stamp, expected in read_images(bag, f'{NODE}/confidence'):
        [row] = [row for moment, row in saved.rows[f'{NODE}/confidence'] if moment == stamp]
        decoded = cv2.imdecode(np.array(row['blob'][0], np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(decoded, expected)


def test_the_ground_truth_has_the_names_of_its_own_labels(saved: Saved, replayed: Path) -> None:
    """Its ids are those of a dataset, not of the tree; the colours are the tree's."""
    [context] = saved.always[TRUTH]['context']
    classes = {entry['class_id']: entry['class_description']['info'] for entry in context}
    labels = mapping(tree()).labels
    assert {number: info['label'] for number, info in classes.items()} == {
        **{label.label_id: label.name for label in labels},
        255: 'unlabeled',
    }
    assert len({info['color'] for info in classes.values()}) == len(labels) + 1
    expected = dict(read_images(replayed / 'replay.mcap', TRUTH))
    assert saved.stamps(TRUTH) == sorted(expected)
    for stamp, values in saved.rows[TRUTH]:
        [data] = values['buffer']
        assert np.array_equal(np.array(data, np.uint8).reshape(SIZE), expected[stamp])
    assert 'ground truth' in saved.layout_values('display_name')


def test_the_probability_of_each_node_is_shown_once(saved: Saved, replayed: Path) -> None:
    """A node's map is that of its own level; the most probable node of a level is its argmax."""
    names = {e.removeprefix(f'{NODE}/probabilities/') for e in saved.rows if 'probabil' in e}
    assert names == {n.name.replace(' ', r'\ ') for n in tree().nodes if n.node_id}
    with Bag(replayed / 'replay.mcap') as bag:
        for level in (1, 2, 3):
            _, message = next(bag.messages(f'{NODE}/level_{level}/probabilities'))
            values = np.asarray(message.data).reshape(-1, message.height, message.width)
            best = np.asarray(message.node_ids)[values.argmax(0)]
            [data] = saved.rows[f'{NODE}/level_{level}/most_probable'][0][1]['buffer']
            assert np.array_equal(np.array(data).reshape(best.shape), best)
            for node_id, plane in zip(message.node_ids, values, strict=True):
                name = tree().nodes[node_id].name.replace(' ', r'\ ')
                blob = saved.rows[f'{NODE}/probabilities/{name}'][0][1]['blob'][0]
                decoded = cv2.imdecode(np.array(blob, np.uint8), cv2.IMREAD_UNCHANGED)
                assert np.array_equal(decoded, plane)


def test_signs_are_boxes_with_name_and_score(saved: Saved, replayed: Path) -> None:
    with Bag(replayed / 'replay.mcap') as bag:
        messages = [message for _, message in bag.messages(f'{NODE}/traffic_signs')]
    rows = [row for _, row in saved.rows[f'{NODE}/traffic_signs']]
    assert any(message.masks for message in messages)
    for row, message in zip(rows, messages, strict=True):
        names = [f'{tree().nodes[m.node_id].name} {m.score:.2f}' for m in message.masks]
        assert (row['labels'] or []) == names
        assert (row['class_ids'] or []) == [mask.node_id for mask in message.masks]
        for mask, half, centre in zip(
            message.masks, row['half_sizes'] or (), row['centers'] or (), strict=True
        ):
            assert half == [mask.roi.width / 2, mask.roi.height / 2]
            assert centre[0] - half[0] == mask.roi.x_offset
            assert centre[1] - half[1] == mask.roi.y_offset


def test_the_metrics_of_the_frames_are_curves(saved: Saved, replayed: Path) -> None:
    records = [json.loads(line) for line in (replayed / 'frames.jsonl').read_text().splitlines()]
    by_stamp = {record['stamp_ns']: record for record in records}
    miou = saved.scalars(f'{NODE}/figures/mIoU')
    flicker = saved.scalars(f'{NODE}/figures/flicker')
    assert len(miou) == FRAMES
    assert 0 < len(flicker) < FRAMES  # the first frame has none
    for stamp, value in miou.items():
        assert value == by_stamp[stamp]['scores']['nodes']['miou']
    for stamp, value in flicker.items():
        assert value == by_stamp[stamp]['stability']['flicker']
    by_level = saved.scalars(rf'{NODE}/figures/by\ level/mIoU\,\ level\ 2')
    assert list(by_level.values()) == [r['scores']['nodes_by_level'][1]['miou'] for r in records]


def test_the_curves_of_a_plot_have_names_and_colours_of_their_own(saved: Saved) -> None:
    """Each in its group, since groups are plots."""
    base = f'{NODE}/figures/'
    curves = {e: row for e, row in saved.always.items() if e.startswith(base)}
    plain = {e: row for e, row in curves.items() if '/' not in e.removeprefix(base)}
    assert {row['names'][0] for row in plain.values()} == {
        'mIoU', 'pixel accuracy', 'flicker', 'low confidence', 'mean confidence',
    }  # fmt: skip
    for group in (plain, {e: row for e, row in curves.items() if e not in plain}):
        colors = [row['colors'][0] for row in group.values()]
        assert len(set(colors)) == len(colors) > 1


def test_times_that_were_not_measured_are_not_shown(saved: Saved) -> None:
    assert not [entity for entity in saved.rows if entity.startswith(f'{NODE}/stats/times')]
    assert 'times [ms]' not in saved.layout_values('display_name')


def test_the_layout_shows_images_levels_and_plots(saved: Saved) -> None:
    titles = set(saved.layout_values('display_name'))
    assert {
        'image, labels, signs', 'confidence', 'level 1', 'level 2', 'level 3',
        'scores and flicker', 'by level',
    } <= titles  # fmt: skip
    queries = set(saved.layout_values('query'))
    assert {CAMERA, f'{NODE}/labels', f'{NODE}/traffic_signs'} <= queries
    shown = {query for query in queries if '**' not in query}
    assert shown <= set(saved.rows)
    assert saved.layout_values('timeline') == ['stamp']


def test_a_part_of_the_frames_and_levels_can_be_chosen(replayed: Path, tmp_path: Path) -> None:
    """From 0.3 s on for half a second, every second frame, level 2 alone."""
    options = ('--start', '0.3', '--seconds', '0.5', '--every', '2', '--level', '2')
    saved = view(replayed, tmp_path / 'part.rrd', *options)
    stamps = stamps_of(replayed)
    assert saved.stamps(CAMERA) == saved.stamps(f'{NODE}/labels') == stamps[3:8:2]
    assert [e for e in saved.rows if e.endswith('most_probable')] == [
        f'{NODE}/level_2/most_probable'
    ]
    assert len(saved.scalars(f'{NODE}/figures/mIoU')) == 5
    # Leaves above the level are among its nodes, their parents are not.
    names = {e.rpartition('/')[2] for e in saved.rows if 'probabilities' in e}
    assert {'sky', 'road', 'limit'} <= names
    assert not {'ground', 'limit_30'} & names
