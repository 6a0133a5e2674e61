# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Latency and drops of a recorded node are the known ones."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_support import LiveCamera, write_live
from replay_support import TRUTH, contents, replay, write_drive
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hiseg_ros.bags.bag import Topic
from hiseg_ros.bags.cameras import choose_cameras
from hiseg_ros.bags.node_results import result_places
from hiseg_ros.bags.raw_message import RawMessage
from hiseg_ros.replay.recorded_node import LiveRun
from hiseg_ros.reports.replay_page import write_report
from hiseg_ros.reports.replay_page.live_charts import BOTTOM, LEFT, RIGHT, TOP, live_charts
from hiseg_ros.resources import share_dir

pytestmark = pytest.mark.needs('torch')

WITHOUT = {5, 6, 7, 20}
LATENCY_MS = {number: 30.0 + number for number in range(2, 39) if number not in WITHOUT}
"""Of 40 images; two come before the first result, one after the last."""
COUNTERS = {8: {'busy': 2, 'malformed': 1}, 21: {'busy': 3}}

ONE = LiveCamera(LATENCY_MS, counters=COUNTERS)


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_live(tmp_path_factory.mktemp('live') / 'bag', [ONE])


@pytest.fixture(scope='module')
def output(tmp_path_factory: pytest.TempPathFactory, bag: Path) -> Path:
    path = tmp_path_factory.mktemp('replayed') / 'out'
    replay(bag, path)
    write_report(path)
    return path


def live_of(output: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((output / 'metrics.json').read_text())['live']
    return found


def spread(values: list[float]) -> dict[str, Any]:
    median, p95, p99 = np.percentile(values, [50, 95, 99])
    found = {'median': median, 'p95': p95, 'p99': p99, 'max': max(values)}
    return {name: pytest.approx(float(value), abs=6e-4) for name, value in found.items()}


def test_latency_is_from_the_stamp_to_the_recording_of_the_labels(output: Path) -> None:
    """And from the image's recording; the node's own times beside it, NaN left out."""
    [live] = live_of(output)
    assert (live['camera'], live['node']) == ('/camera/image_raw', '/segmentation')
    latency = list(LATENCY_MS.values())
    assert live['latency_ms'] == spread(latency)
    assert live['behind_image_ms'] == spread([value - 2 for value in latency])
    assert live['image_latency_ms'] == spread([2.0])
    assert 'queue' not in live['stages_ms']
    assert live['stages_ms']['network'] == spread([4.0 + number for number in LATENCY_MS])
    assert live['stages_ms']['latency'] == spread([9.0 + number for number in LATENCY_MS])


def test_images_without_a_result_are_counted_between_the_first_and_the_last(output: Path) -> None:
    """By cause as the node counted them, whose first report is of its first frame."""
    [live] = live_of(output)
    assert (live['images'], live['results'], live['results_without_image']) == (40, 33, 0)
    assert live['dropped'] == {
        'images': 37, 'count': 4, 'share': round(4 / 37, 6), 'longest_run': 3,
        'before_first_result': 2, 'after_last_result': 1,
        'by_cause': {
            'busy': 3, 'stale': 0, 'malformed': 1, 'unwanted': 0, 'stopped': 0, 'memory': 0,
        },
    }  # fmt: skip


def test_rates_and_intervals_are_those_of_the_results(output: Path) -> None:
    """The rate by stamps, the intervals by arrivals: each label is a millisecond later."""
    [live] = live_of(output)
    assert live['image_rate_hz'] == 10.0
    assert live['rate_hz'] == round(32 / 3.6, 2)
    gaps = np.diff(sorted(LATENCY_MS)) * 101.0
    assert live['interval_ms'] == spread(gaps.tolist())


def test_the_course_over_time_is_by_recording_time(output: Path) -> None:
    """In pieces of half a second, begun with the first image."""
    [live] = live_of(output)
    course = live['over_time']
    assert course['step_s'] == 0.5 and course['start_ns'] % 10**9 == 2_000_000
    assert course['images'] == [5] * 8
    assert course['without_result'] == [2, 3, 0, 0, 1, 0, 0, 1]
    arrivals = {n: 100 * n + latency - 2 for n, latency in LATENCY_MS.items()}
    for piece in range(8):
        inside = [LATENCY_MS[n] for n, at in arrivals.items() if int(at // 500) == piece]
        assert course['results'][piece] == len(inside)
        assert course['latency_max_ms'][piece] == (max(inside) if inside else None)
        middle = float(np.median(inside)) if inside else None
        assert course['latency_median_ms'][piece] == middle
    assert sum(course['results']) == 33


def test_a_second_run_and_one_that_was_ended_give_the_same_bytes(
    bag: Path, output: Path, tmp_path: Path
) -> None:
    """The live metrics are read anew where a replay is resumed."""

    class EndedError(Exception):
        pass

    def end(frames: int) -> None:
        if frames == 23:
            raise EndedError

    with pytest.raises(EndedError):
        replay(bag, tmp_path / 'out', on_frame=end)
    replay(bag, tmp_path / 'out')
    write_report(tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(output)


def test_cameras_of_one_node_have_their_own_metrics(tmp_path: Path) -> None:
    """Also where all are triggered together and have the same stamps: the names decide."""
    front = LiveCamera({1: 50.0, 2: 60.0, 4: 70.0}, 6, '/rig/front/image_raw',
                       '/segmentation/front', {2: {'busy': 4}}, first_processed=9)  # fmt: skip
    rear = LiveCamera({n: 80.0 for n in range(6)}, 6, '/rig/rear/image_raw', '/segmentation/rear')
    replay(write_live(tmp_path / 'bag', [rear, front]), tmp_path / 'out')
    first, second = live_of(tmp_path / 'out')
    by_camera = {row['camera']: row for row in (first, second)}
    assert by_camera['/rig/front/image_raw']['node'] == '/segmentation/front'
    assert by_camera['/rig/rear/image_raw']['node'] == '/segmentation/rear'
    dropped = by_camera['/rig/front/image_raw']['dropped']
    # Its first report is of its ninth frame, so what was dropped before is not of this recording.
    assert (dropped['count'], dropped['images'], dropped['by_cause']['busy']) == (1, 4, 4)
    assert by_camera['/rig/rear/image_raw']['dropped']['share'] == 0
    assert by_camera['/rig/rear/image_raw']['latency_ms'] == spread([80.0])
    page = Page(write_report(tmp_path / 'out'))
    assert page.texts.count('/rig/front/image_raw') >= 2 and page.ids.count('live') == 1


def test_results_of_a_camera_that_is_not_replayed_are_left_out(tmp_path: Path) -> None:
    """Although its stamps are those of one that is."""
    latency = {number: 50.0 + number for number in range(5)}
    cameras = [
        LiveCamera(latency, 6, f'/rig/{name}/image_raw', f'/segmentation/{name}')
        for name in ('front', 'rear')
    ]
    bag = write_live(tmp_path / 'bag', cameras)
    replay(bag, tmp_path / 'out', topics=('/rig/rear/image_raw',))
    assert [row['node'] for row in live_of(tmp_path / 'out')] == ['/segmentation/rear']


def test_times_of_two_clocks_are_not_compared(tmp_path: Path) -> None:
    """As of a bag that was played with its old stamps: labels count from their image on."""
    day_ms = 24 * 3600 * 1000.0
    latency = {number: day_ms + 52.0 + number for number in range(5)}
    bag = write_live(tmp_path / 'bag', [LiveCamera(latency, 6, arrival_ms=day_ms + 2)])
    replay(bag, tmp_path / 'out')
    [live] = live_of(tmp_path / 'out')
    assert not live['is_one_clock'] and live['latency_ms']['median'] == day_ms + 54
    assert live['behind_image_ms'] == spread([50.0 + number for number in range(5)])
    assert live['over_time']['latency_max_ms'] == [54.0, None]
    texts = Page(write_report(tmp_path / 'out')).texts
    assert 'Stamps and recording times come from different clocks,' in texts
    assert any(text.startswith('Half of the labels came within 52 ms of the image')
               for text in texts)  # fmt: skip


def test_counters_begin_at_zero_where_the_node_was_configured_again(tmp_path: Path) -> None:
    """Diagnostics stand in for statistics that were not recorded."""
    reports = [{'processed': p, 'dropped busy': b, 'dropped stale': 0}
               for p, b in ((0, 0), (10, 4), (11, 6), (0, 1), (3, 8))]  # fmt: skip
    bag = write_live(
        tmp_path / 'bag', [LiveCamera({1: 50.0, 2: 50.0})], stats=False,
        diagnostics={'/segmentation: segmentation': reports},
    )  # fmt: skip
    replay(bag, tmp_path / 'out')
    [live] = live_of(tmp_path / 'out')
    assert live['dropped']['by_cause'] == {'busy': 6 + 8, 'stale': 0}
    assert live['stages_ms'] is None
    assert 'record its topic stats' in ' '.join(Page(write_report(tmp_path / 'out')).texts)


def test_labels_alone_tell_of_latency_and_drops(tmp_path: Path) -> None:
    """Neither label tree nor statistics were recorded; the node has its usual name."""
    bag = write_live(tmp_path / 'bag', [ONE], stats=False, taxonomy=False)
    metrics = replay(bag, tmp_path / 'out')
    assert [camera['topic'] for camera in metrics['cameras']] == ['/camera/image_raw']
    [live] = metrics['live']
    assert live['dropped']['count'] == 4 and live['dropped']['by_cause'] is None


def test_statistics_of_another_version_are_read_as_they_were_written(tmp_path: Path) -> None:
    """With an additional field in front of the times."""
    types = get_typestore(Stores.ROS2_JAZZY)
    text = (share_dir() / 'msg/FrameStats.msg').read_text()
    text = text.replace('float32 age_ms', 'string note\nfloat32 age_ms')
    types.register(get_types_from_msg(text, 'hiseg_ros/msg/FrameStats'))
    replay(write_live(tmp_path / 'bag', [ONE], types=types), tmp_path / 'out')
    [live] = live_of(tmp_path / 'out')
    assert live['stages_ms']['network'] == spread([4.0 + number for number in LATENCY_MS])
    assert live['dropped']['by_cause']['busy'] == 3


def test_a_recording_of_no_live_node_has_no_such_metrics(tmp_path: Path) -> None:
    """A camera alone; and a bag that an offline replay wrote, where all have one time."""
    replay(write_drive(tmp_path / 'bag', 3), tmp_path / 'out', truth=TRUTH)
    assert live_of(tmp_path / 'out') is None
    replay(tmp_path / 'out/replay.mcap', tmp_path / 'again')
    assert live_of(tmp_path / 'again') is None
    assert 'live' not in Page(write_report(tmp_path / 'again')).ids


def test_damaged_results_do_no_harm(tmp_path: Path) -> None:
    """Statistics that cannot be read are passed over."""
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(
        get_types_from_msg('std_msgs/Header header\nuint64 processed', 'hiseg_ros/msg/FrameStats')
    )
    replay(write_live(tmp_path / 'bag', [ONE], types=types), tmp_path / 'out')
    [live] = live_of(tmp_path / 'out')
    assert live['stages_ms'] is None and live['dropped']['by_cause'] is None
    assert live['results'] == 33


def topic(name: str, kind: str = 'sensor_msgs/msg/Image') -> Topic:
    return Topic(name, kind, 5)


def test_what_a_node_published_is_no_camera() -> None:
    """Nor are labels alone below a node, in other ids, results of a camera."""
    stats = topic('/segmentation/front/stats', 'hiseg_ros/msg/FrameStats')
    overlay = topic('/segmentation/front/overlay/image')
    labels = [topic('/segmentation/front/labels'), topic('/segmentation/camvid/labels')]
    camera = topic('/front/image_raw')
    found = choose_cameras([camera, stats, overlay, labels[0]])
    assert [one.topic for one in found] == ['/front/image_raw']
    assert result_places([camera, stats, *labels]) == ('/segmentation/front',)


def test_topics_that_were_renamed_hide_no_camera() -> None:
    """Such as statistics in the root namespace."""
    stats, camera = topic('/stats', 'hiseg_ros/msg/FrameStats'), topic('/image')
    assert [one.topic for one in choose_cameras([stats, camera])] == ['/image']


@pytest.mark.parametrize('time_ns', [2**63, 2**64 - 1, -1])
def test_recording_times_that_only_damage_gives_are_passed_over(time_ns: int) -> None:
    live = LiveRun([topic('/image'), topic('/segmentation/labels')], ['/image'])
    live.add_image(RawMessage('/image', time_ns, bytes([0, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0])))
    live.add_image(RawMessage('/image', 5, b''))  # without a header
    live.add_image(RawMessage('/image', 6, bytes([0, 1]) + bytes(10)))  # without a stamp
    assert live.topics == {'/segmentation/labels'} and live.summary() is None


class Page(HTMLParser):
    """Texts, ids and shapes of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.shapes: list[dict[str, str | None]] = []
        self.html = path.read_text('utf-8')
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values['id'])] if 'id' in values else []
        if tag in ('rect', 'path'):
            self.shapes.append(values)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_the_report_shows_them_as_charts_and_as_a_table(output: Path) -> None:
    """Every bar says its numbers, and so does the table."""
    page = Page(output / 'report.html')
    assert page.ids.index('signs') < page.ids.index('live') < page.ids.index('run')
    for text in ('The node, live', '49.0', 'from 0:00.5: 5 images, 3 without a result',
                 'node: network', 'busy 3, stale 0, malformed 1, unwanted 0, stopped 0',
                 '3 images in a row without a result'):  # fmt: skip
        assert any(text in found for found in page.texts), text
    section = page.html.split('<section id="live"')[1].split('</section>')[0]
    assert section.count('<tr>') == 1 + 8 + 1 + 4 + 9
    assert section.count('<rect') == 16


def test_charts_keep_to_their_frame() -> None:
    """Curves are broken where nothing came; bars are as high as their share of the axis."""
    pieces = {
        'step_s': 60, 'images': [10, 0, 20, 5], 'without_result': [4, 0, 0, 5],
        'results': [6, 0, 20, 0], 'latency_median_ms': [5.0, None, 7.5, None],
        'latency_p95_ms': [6.0, None, 8.0, None], 'latency_max_ms': [6.0, None, 9.0, None],
    }  # fmt: skip
    charts = live_charts({'camera': '/a', 'over_time': pieces})
    assert charts.median.count('M') == 2 and 'L' not in charts.median
    assert [text for _, text in charts.latency_ticks] == ['0', '2', '4', '6', '8']
    assert charts.latency_ticks[-1][0] == TOP and charts.latency_ticks[0][0] == BOTTOM
    assert [text for _, text in charts.count_ticks] == ['0', '5', '10', '15', '20']
    first, empty, full, lost = charts.bars
    assert first.height == pytest.approx(6 / 20 * (BOTTOM - TOP))
    assert first.missed_height == pytest.approx(4 / 20 * (BOTTOM - TOP))
    assert first.missed_y + first.missed_height == pytest.approx(first.y)
    assert empty.height == empty.missed_height == lost.height == 0 and full.y == TOP
    assert first.x >= LEFT and lost.x + lost.width <= RIGHT
    assert [text for _, text in charts.time_ticks] == ['0:00', '1:00', '2:00', '3:00']
