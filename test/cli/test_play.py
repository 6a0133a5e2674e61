# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Topics and repetitions of `hiseg play` and `hiseg demo`."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.cli.__main__ import main
from hiseg_ros.cli.shared.pace import FOREVER, add_pace, repeated


@pytest.mark.parametrize('compressed', [True, False])
def test_a_list_says_where_each_topic_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], compressed: bool
) -> None:
    """Without ROS, and the camera first: a launch file reads it."""
    frames = [Frame(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))] * 3
    write_camera_bag(tmp_path / 'bag', frames, 10.0, compressed=compressed)
    assert main(['play', str(tmp_path / 'bag'), '--list']) == 0
    said = capsys.readouterr()
    camera, truth = said.out.splitlines()
    assert 'Not replayed: /ground_truth/' in said.err
    kind, suffix = ('CompressedImage', '/compressed') if compressed else ('Image', '')
    topic = f'/camera/image_raw{suffix}'
    assert camera == f'{topic} -> {topic} (sensor_msgs/msg/{kind}, 3 messages)'
    assert truth.startswith('/ground_truth/node_ids/compressed -> /ground_truth/')


def test_a_bag_without_images_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['play', str(tmp_path / 'nowhere'), '--list']) == 2
    assert 'There is no bag' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('given', 'rounds'),
    [((), 1), (('--loop', '3'), 3), (('--loop=2',), 2), (('--loop',), FOREVER)],
)
def test_a_loop_is_a_number_or_for_ever(given: tuple[str, ...], rounds: int) -> None:
    parser = argparse.ArgumentParser()
    add_pace(parser)
    options = parser.parse_args(given)
    assert options.loop == rounds
    expected = 10 if rounds == FOREVER else rounds
    assert len(list(islice(repeated(options.loop), 10))) == expected


@pytest.mark.parametrize(
    'given', [('--loop', '0'), ('--loop', 'x'), ('--rate', '0'), ('--rate', 'nan')]
)
def test_what_is_no_pace_is_refused(
    given: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_pace(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(given)
    what = 'integer' if given[0] == '--loop' else 'number'
    assert f'must be a positive {what}, not {given[1]!r}' in capsys.readouterr().err
