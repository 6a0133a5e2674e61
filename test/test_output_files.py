# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Nothing is written through a symbolic link or into a pipe that lies in an output folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.images import write_image
from hiseg_ros.output_files import locked_folder, output_file, output_folder

IMAGE = np.zeros((4, 4, 3), np.uint8)


def link(path: Path) -> None:
    path.symlink_to(path.parent / 'precious')


def dangling(path: Path) -> None:
    path.symlink_to('/nowhere/at/all')


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize('make', [link, dangling, pipe, Path.mkdir])
def test_images_are_written_to_plain_files_alone(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / 'precious').write_bytes(b'precious')
    make(tmp_path / 'x_labels.png')
    with pytest.raises(ConfigError, match='expected a plain file or none'):
        write_image(tmp_path / 'x_labels.png', IMAGE)
    assert (tmp_path / 'precious').read_bytes() == b'precious'
    write_image(tmp_path / 'y.png', IMAGE)
    write_image(tmp_path / 'y.png', IMAGE)


@pytest.mark.parametrize('make', [link, dangling, pipe])
def test_other_writers_refuse_them_too(make: Callable[[Path], object], tmp_path: Path) -> None:
    from hiseg_ros.datasets.drawn_formats import save_file
    from hiseg_ros.reports.video import VideoWriter

    (tmp_path / 'precious').write_bytes(b'precious')
    make(tmp_path / 'file.mp4')
    with pytest.raises(ConfigError, match='expected a plain file'):
        save_file(tmp_path / 'file.mp4', b'new')
    with pytest.raises(ConfigError, match='expected a plain file'):
        VideoWriter(tmp_path / 'file.mp4', 5.0)
    assert (tmp_path / 'precious').read_bytes() == b'precious'


def test_a_demo_refuses_links_in_its_folder(tmp_path: Path) -> None:
    from hiseg_ros.cli.demo import prepare

    for name in ('logs', 'recording'):
        folder = tmp_path / f'of_{name}'
        folder.mkdir()
        (tmp_path / 'elsewhere').mkdir(exist_ok=True)
        (folder / name).symlink_to(tmp_path / 'elsewhere')
        with pytest.raises(ConfigError, match='is a symbolic link; expected a folder'):
            prepare(folder)


def test_the_output_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    write_image(tmp_path / 'link' / 'x.png', IMAGE)
    assert (tmp_path / 'real' / 'x.png').is_file()
    assert output_file(tmp_path / 'absent') == tmp_path / 'absent'
    assert output_folder(tmp_path / 'real') == tmp_path / 'real'


def test_a_locked_folder_is_free_again_after_the_block(tmp_path: Path) -> None:
    """Also where the block ends with an error; other folders are free all the time."""
    folder = tmp_path / 'out' / 'run'
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), locked_folder(folder):
            with locked_folder(tmp_path / 'other'):
                pass
            with pytest.raises(ConfigError, match=r'at work in \S*run; expected'):
                locked_folder(folder).__enter__()
            raise KeyboardInterrupt
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match=r'file cannot be used \(.*\); expected one that can'):
        locked_folder(tmp_path / 'file').__enter__()


def test_a_forked_process_does_not_keep_a_folder(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with locked_folder(tmp_path):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # until the test ends
            os._exit(0)
    try:
        with locked_folder(tmp_path):
            pass
    finally:
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)
