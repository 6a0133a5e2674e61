# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Source and target of an adaptation are told apart by their images, not by their folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn_camvid import draw_camvid

pytestmark = pytest.mark.needs('torch', 'train')
pytest.importorskip('lightning')

from hiseg_ros.adapt.adapt import Request, _check_frames  # noqa: E402
from hiseg_ros.adapt.frames import Choice, ChosenFrame  # noqa: E402
from hiseg_ros.adapt.recordings import open_recording  # noqa: E402
from hiseg_ros.adapt.source_set import dataset_source, drawn_source  # noqa: E402
from hiseg_ros.adapt.work_folder import WorkFolder  # noqa: E402
from hiseg_ros.errors import DatasetError  # noqa: E402


def test_a_copy_of_the_sources_images_is_no_target(tmp_path: Path) -> None:
    camvid = draw_camvid(tmp_path / 'camvid')
    shutil.copytree(camvid / 'images', tmp_path / 'drive')
    recording = open_recording(tmp_path / 'drive')
    frames = tuple(ChosenFrame(0, n, name, None) for n, name in enumerate(recording.names))
    source = dataset_source('camvid', camvid)
    request = Request([recording], Path('old'), Path('new'), source)
    choice = Choice(frames, frames[:1], len(frames), 0, 0)
    work = WorkFolder(tmp_path / 'work', {})
    with pytest.raises(DatasetError) as found:
        work.keep_frames([recording], lambda: choice, lambda own: _check_frames(request, own))
    said = str(found.value)
    assert f'12 of the 16 images of the target {tmp_path / "drive"} are images of the' in said
    assert 'dataset camvid; expected a target that the source does not have' in said
    assert not (tmp_path / 'work' / 'frames.json').exists()  # the next start looks again
    of_the_drawn = Request([recording], Path('old'), Path('new'), drawn_source(tmp_path))
    kept = work.keep_frames(
        [recording], lambda: choice, lambda own: _check_frames(of_the_drawn, own)
    )
    assert kept['learnt'] == 16
