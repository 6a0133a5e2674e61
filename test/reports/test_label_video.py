# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Videos of recorded labels, and `hiseg video`."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from replay_support import CAMERA, drive, replay, write_drive

from hiseg_ros.bags.bag import read_images
from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.cli.video import find_footage
from hiseg_ros.errors import BagError, ImageError
from hiseg_ros.reports.label_video import VideoStyle, compose, survey, write_label_video
from hiseg_ros.reports.labelled_frames import LabelledFrame, labelled_frames, stream_of
from hiseg_ros.reports.video import STRIP_HEIGHT
from hiseg_ros.visualization import overlay

FRAMES = 6
LABELS = '/segmentation/labels'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a replay of a drawn drive of 6 frames at 10 Hz, 48 x 64 pixels."""
    place = tmp_path_factory.mktemp('video')
    replay(write_drive(place / 'bag', FRAMES), place / 'out', part_frames=2)
    return place / 'out'


def decoded(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Return times in seconds and images of a video."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    return [float(f.time or 0) for f in frames], [f.to_ndarray(format='rgb24') for f in frames]


def test_the_film_of_a_replay_has_every_frame_at_its_time(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small camera is shown large; the legend and a line of text stand below."""
    path = tmp_path / 'video.mp4'
    assert main(['video', str(folder), '--output', str(path)]) == 0
    said = capsys.readouterr().out
    assert f'{CAMERA} with {LABELS}: 6 frames' in said and f'6 frames at 10.0 Hz: {path}' in said
    times, images = decoded(path)
    assert times == pytest.approx(np.arange(FRAMES) / 10, abs=1e-3)
    height, width = images[0].shape[:2]
    assert width == 960 and height > 720 + STRIP_HEIGHT
    strip = images[0][720 : height - STRIP_HEIGHT]
    assert (strip > 235).mean() > 0.3  # white behind the legend


def test_the_image_is_the_overlay_of_that_frame(folder: Path, tmp_path: Path) -> None:
    """Alone, and right of the camera's image; names and legend can be left out."""
    path = tmp_path / 'video.mp4'
    arguments = ['video', str(folder), '--output', str(path), '--no-names', '--no-legend']
    assert main([*arguments, '--height', '192', '--side-by-side']) == 0
    _, images = decoded(path)
    assert images[0].shape == (192 + STRIP_HEIGHT, 512, 3)
    rgb = list(read_images(folder / 'replay.mcap', CAMERA))
    labels = dict(read_images(folder / 'replay.mcap', LABELS))
    footage = find_footage(folder, None)
    for (stamp, image), written in zip(rgb, images, strict=True):
        painted = overlay(image, labels[stamp], footage.taxonomy)
        expected = [
            cv2.resize(part, (256, 192), interpolation=cv2.INTER_CUBIC)
            for part in (image, painted)
        ]
        difference = written[:192].astype(int) - np.concatenate(expected, axis=1)
        assert np.abs(difference).mean() < 9


def test_names_are_written_into_the_overlay(folder: Path) -> None:
    """And stand where they stood in the frame before."""
    footage = find_footage(folder, None)
    stream = stream_of(footage.recording, footage.image, footage.labels)
    frames = list(labelled_frames(stream, footage.image, footage.labels))
    assert len(frames) == FRAMES and not stream.damages
    plain, none = compose(frames[0], footage, VideoStyle(names=False))
    named, names = compose(frames[0], footage, VideoStyle())
    assert not none
    assert {footage.taxonomy.nodes[n.node_id].name for n in names} >= {'road', 'sky', 'walk'}
    assert (plain != named).any() and plain.shape == named.shape
    _, later = compose(frames[1], footage, VideoStyle(), names)
    kept = {n.node_id: n.box for n in later}
    road = footage.taxonomy.node_id('road')
    assert kept[road] == {n.node_id: n.box for n in names}[road]


def test_the_survey_counts_all_frames(folder: Path) -> None:
    known = survey(find_footage(folder, None))
    assert (known.frames, known.rate_hz) == (FRAMES, pytest.approx(10))
    assert sum(known.shares.values()) == pytest.approx(1)


def test_a_bag_without_the_camera_shows_the_overlays(tmp_path: Path) -> None:
    """Not side by side, though."""
    output = tmp_path / 'out'
    replay(write_drive(tmp_path / 'bag', 3), output, omit=frozenset({'camera'}))
    footage = find_footage(output, None)
    assert footage.is_overlay and footage.image.name == '/segmentation/overlay/image'
    assert write_label_video(tmp_path / 'video.mp4', footage)[0] == 3
    with pytest.raises(BagError, match='not the images below them'):
        write_label_video(tmp_path / 'video.mp4', footage, VideoStyle(side_by_side=True))
    replay(tmp_path / 'bag', tmp_path / 'bare', omit=frozenset({'camera', 'overlay'}))
    with pytest.raises(BagError, match='neither images nor overlays'):
        find_footage(tmp_path / 'bare', None)


def test_of_several_cameras_one_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its topic or its node's name."""
    import hiseg_ros.bags.footage as footage_module

    bags = []
    for name in ('front', 'rear'):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(footage_module, 'CAMERA_TOPIC', f'/{name}/image_raw')
            patch.setattr(footage_module, 'TRUTH_TOPIC', f'/ground_truth/{name}')
            bags.append(write_drive(tmp_path / name, 3))
    replay(bags, tmp_path / 'out')
    arguments = ['video', str(tmp_path / 'out'), '--output', str(tmp_path / 'video.mp4')]
    assert main(arguments) == 2
    assert 'has several cameras (/front/image_raw/compressed' in capsys.readouterr().err
    for topic in ('/rear/image_raw/compressed', '/rear/segmentation'):
        assert main([*arguments, '--topic', topic, '--height', '64']) == 0
        assert '/rear/image_raw/compressed with /rear/segmentation' in capsys.readouterr().out
    assert main([*arguments, '--topic', '/left']) == 2
    assert 'no labels for /left' in capsys.readouterr().err


def test_a_damaged_bag_is_shown_up_to_the_damage(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 3."""
    cut = tmp_path / 'cut'
    shutil.copytree(folder / 'replay.mcap', cut)
    last = sorted(cut.glob('*.mcap'))[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    path = tmp_path / 'video.mp4'
    assert main(['video', str(cut), '--output', str(path), '--height', '64']) == 3
    assert f'Damage in cut: {last.name}, message' in capsys.readouterr().out
    assert 4 <= len(decoded(path)[0]) < FRAMES


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--output', 'video.avi'], 'ends in .mp4'),
        (['--output', 'video.mp4', '--alpha', '2'], '--alpha is 2.0'),
        (['--output', 'video.mp4', '--height', '5'], '--height is 5'),
        (['--output', 'nowhere/video.mp4'], 'cannot be written'),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_code_2(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    """And nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    assert main(['video', str(folder), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and 'Traceback' not in error
    assert not list(tmp_path.iterdir())


def test_a_bag_without_labels_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_drive(tmp_path / 'bag', 2)
    assert main(['video', str(tmp_path / 'bag'), '--output', str(tmp_path / 'video.mp4')]) == 2
    assert 'holds no labels' in capsys.readouterr().err


def test_images_that_have_no_labels_are_passed_over(tmp_path: Path) -> None:
    """A busy node drops images; the truth of every third image stands in for its labels."""
    write_drive(tmp_path / 'bag', 12, sparse=3)
    recording = open_recording(tmp_path / 'bag')
    image, truth = sorted(recording.topics, key=lambda topic: topic.name)
    stream = stream_of(recording, image, truth)
    frames = list(labelled_frames(stream, image, truth))
    stamps = [stamp for stamp, _ in read_images(tmp_path / 'bag', truth.name)]
    assert [frame.stamp_ns for frame in frames] == stamps and len(stamps) == 4
    expected = [frame.labels for frame in drive(12) if frame.labels is not None][::3]
    for frame, labels in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.labels, labels)
    assert not stream.damages


def test_labels_of_another_size_are_refused(folder: Path) -> None:
    footage = find_footage(folder, None)
    frame = LabelledFrame(0, np.zeros((48, 64, 3), np.uint8), np.zeros((20, 64), np.uint8))
    with pytest.raises(ImageError, match='of the size of the labels'):
        compose(frame, footage, VideoStyle(height=48))


def test_frames_of_a_drive_can_be_of_any_size(tmp_path: Path) -> None:
    """Odd sides are filled up; large images are shown with 1080 rows."""
    frames = [Frame(frame.rgb) for frame in drive(1, size=(1441, 31))]
    write_camera_bag(tmp_path / 'bag', frames, 10.0)
    replay(tmp_path / 'bag', tmp_path / 'out')
    assert write_label_video(tmp_path / 'video.mp4', find_footage(tmp_path / 'out', None))[0] == 1
    _, (image,) = decoded(tmp_path / 'video.mp4')
    assert 1080 < image.shape[0] < 1250
