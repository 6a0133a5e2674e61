# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Every program of examples/ runs as its README says, on small inputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / 'examples'
PROGRAMS = sorted(path.name for path in EXAMPLES.glob('*.py'))


def run(name: str, *arguments: object) -> str:
    """Run a program from the checkout; return what it printed."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_program_is_short_explained_and_run_here() -> None:
    """Below 60 lines each, on the page, and with a test of its own below."""
    page, tests = (EXAMPLES / 'README.md').read_text(), Path(__file__).read_text()
    for name in PROGRAMS:
        assert len((EXAMPLES / name).read_text().splitlines()) < 60, name
        assert f'`{name}`' in page and f"run('{name}'" in tests
    assert set(re.findall(r'python examples/(\w+\.py)', page)) == set(PROGRAMS)


@pytest.mark.needs('torch')
def test_segment_image(tmp_path: Path, street_image: np.ndarray, tiny_checkpoint: Path) -> None:
    """Classes come with their path in the tree; the overlay has the image's size."""
    image, overlay = tmp_path / 'street.png', tmp_path / 'overlay.png'
    cv2.imwrite(str(image), street_image)
    said = run('segment_image.py', image, '--model', tiny_checkpoint, '--overlay', overlay)
    assert re.search(r'^ *\d+\.\d%  [01]\.\d\d  Street Scene > \w+', said, re.MULTILINE)
    assert 'classes at level 2' in said
    shown = cv2.imread(str(overlay))
    assert shown.shape == street_image.shape and (shown != street_image).any()


@pytest.mark.needs('torch')
def test_segment_video(tmp_path: Path, street_image: np.ndarray, tiny_checkpoint: Path) -> None:
    """Every second frame is there, at its time."""
    from hiseg_ros.reports.video import STRIP_HEIGHT, VideoWriter

    source, output = tmp_path / 'drive.mp4', tmp_path / 'overlay.mp4'
    with VideoWriter(source, 10) as video:
        for index in range(5):
            video.write(np.roll(street_image, index, axis=1), index * 100_000_000)
    said = run('segment_video.py', source, output, '--model', tiny_checkpoint, '--every', 2)
    assert said.startswith('3 frames on ')
    with av.open(str(output)) as film:
        frames = list(film.decode(video=0))
    assert [round(10 * (frame.time or 0)) for frame in frames] == [0, 2, 4]
    height, width = street_image.shape[:2]
    assert (frames[0].height, frames[0].width) == (height + STRIP_HEIGHT, width)


@pytest.mark.needs('train')
def test_own_taxonomy(tmp_path: Path) -> None:
    """Its network learns the yard well enough to be believed."""
    said = run('own_taxonomy.py', tmp_path).splitlines()[-1]
    found = re.fullmatch(r'(\d+)% of a new image is right: (.+yard\.safetensors)', said)
    assert found is not None and int(found[1]) > 75, said
    assert Path(found[2]).is_file()


def test_read_mcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what `hiseg replay` writes: the drawn drive has a sign that comes nearer."""
    monkeypatch.syspath_prepend(str(ROOT / 'test/replay'))
    from replay_support import replay, write_drive

    replay(write_drive(tmp_path / 'bag', 3), tmp_path / 'out')
    said = run('read_mcap.py', tmp_path / 'out/replay.mcap')
    assert re.search(r'^\w+ \S+, 11 nodes, digest [0-9a-f]{12}$', said, re.MULTILINE)
    assert '3 frames' in said and re.search(r'^ 37\.5%  road$', said, re.MULTILINE)
    assert 'first frame, most probable: ground' in said
    signs = re.findall(r'^\d+\.\d{3} s  (\w+) \(\d\.\d\d\), \d+% of its box$', said, re.MULTILINE)
    assert signs == 3 * ['limit_30']
