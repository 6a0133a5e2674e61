# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Every command of the README and of docs/command_line.md is run.

Three cannot be: `colcon build`, `source` and `ros2 launch` need a workspace with ROS from apt.
They are checked against the files that they name; test/launch starts the launch file as a whole.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = ('README.md', 'docs/command_line.md')
SECONDS = 420


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of every fenced block of a page."""
    text = (ROOT / page).read_text(encoding='utf-8')
    return re.findall(r'^```(.*?)\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


def documented_commands() -> list[str]:
    """Return every line of the pages' shell blocks, each once."""
    lines = [
        line.strip()
        for page in PAGES
        for language, block in blocks(page)
        if language == 'bash'
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line))


@dataclass(frozen=True)
class Place:
    """A folder with all that the commands name."""

    folder: Path
    model: Path
    environment: dict[str, str]
    debug_run: Callable[[], Path]
    """Returns a folder in which `hiseg train debug` ran."""

    def run(self, command: list[str], expected: int = 0) -> str:
        """Run a command here; return what it printed."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            timeout=SECONDS,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == expected, result.stdout + result.stderr
        return result.stdout + result.stderr

    def hiseg(self, command: str, *extra: str, expected: int = 0) -> str:
        """Run a `hiseg` command in this process, which spares it the import of torch."""
        said = io.StringIO()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with redirect_stdout(said), redirect_stderr(said):
                code = main([*shlex.split(command)[1:], *extra])
        finally:
            os.chdir(before)
        assert code == expected, said.getvalue()
        return said.getvalue()


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    street_image: np.ndarray,
    tiny_checkpoint: Path,
    drive_cache: Path,
) -> Place:
    """Return a folder with an image, small datasets and a bag."""
    from hiseg_ros.bags.footage import Frame, write_camera_bag

    bgr = cv2.cvtColor(street_image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(tmp_path / 'street.jpg'), bgr)
    camvid, gtsdb = tmp_path / 'DIR' / 'camvid', tmp_path / 'DIR' / 'gtsdb'
    camvid.mkdir(parents=True)
    gtsdb.mkdir()
    cv2.imwrite(str(camvid / 'a.png'), bgr)
    cv2.imwrite(str(camvid / 'l.png'), np.full(street_image.shape[:2], 3, np.uint8))
    (camvid / 'val.txt').write_text('a.png l.png\n')
    cv2.imwrite(str(gtsdb / '00005.ppm'), bgr)
    (gtsdb / 'gt.txt').write_text('00005.ppm;10;10;40;40;14\n')
    write_camera_bag(tmp_path / 'bag', [Frame(street_image)] * 6, 10.0)
    shutil.copytree(ROOT / 'config', tmp_path / 'config')
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'XDG_CACHE_HOME': str(drive_cache)}
    debug_run = partial(request.getfixturevalue, 'debug_run')
    return Place(tmp_path, tiny_checkpoint, environment, debug_run)


def make_demo(place: Place, command: str) -> None:
    """The demo runs to its summary, with a drive of two seconds."""
    output = place.folder / 'demo'
    extra = f'ARGS=--output "{output}" --model "{place.model}" --seconds 2'
    bag = [f'BAG={place.folder / "bag"}'] if 'BAG=' in command else []
    place.run(['make', '-C', str(ROOT), 'demo', *bag, extra])
    for name in ('overlay.mp4', 'summary.json'):
        assert (output / name).stat().st_size > 0
    processed = json.loads((output / 'summary.json').read_text())['frames_processed']
    assert len(list(output.glob('*.png'))) == min(4, processed)


def make_test(place: Place, command: str) -> None:
    """The set-up is there and pytest finds the suite; this very test runs inside it."""
    said = place.run(['make', '-C', str(ROOT), 'test', 'ARGS=--collect-only -q test/decision'])
    assert 'test_dense.py' in said


def pip_install(place: Place, command: str) -> None:
    """The ROS-free rooms land in a folder with their data and answer there."""
    target = place.folder / 'installed'
    flags = ['--no-deps', '--no-build-isolation', '--quiet', '--target', str(target)]
    source = shlex.split(command)[-1].replace('.', str(ROOT), 1)
    copy = place.folder / 'source'
    kept = shutil.ignore_patterns('.*', 'build', 'install', 'log', 'runs', 'demo', '*.egg-info')
    shutil.copytree(ROOT, copy, ignore=kept)
    source = source.replace(str(ROOT), str(copy))
    place.run([sys.executable, '-m', 'pip', 'install', *flags, source])
    script = (
        'from hiseg_ros.taxonomy import load_taxonomy; print(len(load_taxonomy("street").leaves))'
    )
    environment = {**os.environ, 'PYTHONPATH': str(target), 'AMENT_PREFIX_PATH': ''}
    installed = replace(place, environment=environment)
    assert installed.run([sys.executable, '-c', script]).strip() == '108'


def predict(place: Place, command: str) -> None:
    """Label image and overlay are written."""
    place.hiseg(command, '--model', str(place.model))
    names = {'street_labels.png', 'street_overlay.png', 'taxonomy.json'}
    names |= {'street_camvid.png'} if 'camvid' in command else set()
    assert names == {path.name for path in (place.folder / 'out').iterdir()}


def taxonomy(place: Place, command: str) -> None:
    """The tree is shown or found valid."""
    assert '108' in place.hiseg(command) or 'Driveable' in place.hiseg(command)


def train(place: Place, command: str) -> None:
    """The small one runs; the other is found, and that its dataset here has no training split."""
    if 'debug' in command:
        # It goes on where the same command has trained to the end.
        shutil.copytree(place.debug_run() / 'runs', place.folder / 'runs')
        assert 'weights: runs/debug/debug.safetensors' in place.hiseg(command)
    else:
        assert 'train.txt' in place.hiseg(command, expected=2)


def synthesize(place: Place, command: str) -> None:
    """Scenes are written where the loader finds them."""
    place.hiseg(command, '--count', '2', '--size', '96x192')
    assert list((place.folder / 'drawn/cityscapes').rglob('*_labelIds.png'))


def evaluate(place: Place, command: str) -> None:
    """Scores are printed."""
    said = place.hiseg(command, '--model', str(place.model))
    assert 'recall' in said or 'miou' in said


def replay(place: Place, command: str) -> None:
    """A new bag and metrics; the recording at hand has its truth on a topic of another name."""
    from hiseg_ros.bags.footage import TRUTH_TOPIC, Frame, write_camera_bag

    image = cv2.cvtColor(cv2.imread(str(place.folder / 'street.jpg')), cv2.COLOR_BGR2RGB)
    truth = np.full(image.shape[:2], 3, np.uint8)
    frames = [Frame(image.astype(np.uint8), truth)] * 2
    write_camera_bag(place.folder / 'BAG', frames, 10.0)
    command = command.replace('/ground_truth/label_ids', TRUTH_TOPIC)
    place.hiseg(command, '--model', str(place.model))
    metrics = json.loads((place.folder / 'out/metrics.json').read_text())
    assert metrics['cameras'][0]['frames'] == 2
    assert bool(metrics['scores']) == ('--mapping' in command)


def video(place: Place, command: str) -> None:
    """A replay's folder becomes a video."""
    place.hiseg('hiseg replay bag --output out', '--model', str(place.model))
    place.hiseg(command)
    assert (place.folder / 'street.mp4').stat().st_size > 0


def retrieve(place: Place, command: str) -> None:
    """The images of a bag are found and shown."""
    shutil.copy(place.folder / 'street.jpg', place.folder / 'image.jpg')
    (place.folder / 'bag').rename(place.folder / 'BAG')
    kept = ['--model', str(place.model), '--cache', str(place.folder / 'kept')]
    assert 'BAG  16000000' in place.hiseg(command, *kept)
    assert (place.folder / 'found/retrieval.html').stat().st_size > 0


def adapt(place: Place, command: str) -> None:
    """Weights are written, by a few steps on a drive of two seconds."""
    from small_adaptation import make_small, write_short_drive

    write_short_drive(place.folder / 'BAG')
    more = ['--model', str(place.model), '--cache', str(place.folder / 'kept'), '--device', 'cpu']
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        assert 'weights: mine.safetensors' in place.hiseg(command, *more)
    assert (place.folder / 'mine.html').stat().st_size > 0


def mine(place: Place, command: str) -> None:
    """Frames of a bag are chosen; the bag at hand has fewer than the page's."""
    (place.folder / 'bag').rename(place.folder / 'BAG')
    kept = ['--model', str(place.model), '--cache', str(place.folder / 'kept')]
    said = place.hiseg(command.replace('--count 20', '--count 2'), *kept)
    assert '2 of ' in said
    assert (place.folder / 'worth/mining.html').stat().st_size > 0


def colcon_build(place: Place, command: str) -> None:
    """The set-up has run this very build; its result is what the node tests run on."""
    assert '--packages-select hiseg_ros' in command
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    assert any((Path(prefix) / 'lib/hiseg_ros/segmentation_node').is_file() for prefix in prefixes)


def source_setup(place: Place, command: str) -> None:
    """The build writes the file that the command reads."""
    prefixes = [Path(p) for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    assert any((prefix / 'setup.bash').is_file() for prefix in prefixes)


def launch(place: Place, command: str) -> None:
    """The launch file is started as a whole in test_launch_file.py, where launch is installed."""
    words = shlex.split(command)
    text = (ROOT / 'launch' / words[3]).read_text(encoding='utf-8')
    for word in words[4:]:
        assert f"'{word.split(':=')[0]}'" in text or word.startswith('--')


RUNS: dict[str, Callable[[Place, str], None]] = {
    'make demo': make_demo,
    'make test': make_test,
    'pip install': pip_install,
    'hiseg predict': predict,
    'hiseg taxonomy': taxonomy,
    'hiseg train': train,
    'hiseg synthesize': synthesize,
    'hiseg evaluate': evaluate,
    'hiseg replay': replay,
    'hiseg video': video,
    'hiseg retrieve': retrieve,
    'hiseg adapt': adapt,
    'hiseg mine': mine,
    'colcon build': colcon_build,
    'source install/setup.bash': source_setup,
    'ros2 launch': launch,
}


@pytest.mark.needs('ros', 'torch', 'train')
@pytest.mark.timeout(600)
@pytest.mark.parametrize('command', documented_commands())
def test_the_documented_command_works(place: Place, command: str) -> None:
    """Each command works, with small weights and data in place of the reader's."""
    (run,) = [run for start, run in RUNS.items() if command.startswith(start)]
    run(place, command)


def test_no_block_of_the_pages_is_left_out() -> None:
    """A block is shell commands, each with one check, the mask's code, or an include."""
    known = {'bash', 'python', '{include} generated/parts/commands.md'}
    for page in PAGES:
        assert {language for language, _ in blocks(page)} <= known, page
    (_,) = [text for page in PAGES for language, text in blocks(page) if language == 'python']
    for command in documented_commands():
        assert len([start for start in RUNS if command.startswith(start)]) == 1, command
    unused = [
        start
        for start in RUNS
        if not any(command.startswith(start) for command in documented_commands())
    ]
    assert unused == []


@pytest.mark.needs('ros')
def test_the_mask_of_the_readme_is_the_road_with_all_that_lies_on_it() -> None:
    """The code is run on a level's labels as the node builds them, with padded rows."""
    from sensor_msgs.msg import Image

    from hiseg_ros.taxonomy import load_taxonomy

    (code,) = [text for language, text in blocks('README.md') if language == 'python']
    code = code.replace('    mask = ', '    global mask\n    mask = ')
    names: dict[str, object] = {}
    exec(code, names)
    street = load_taxonomy('street')
    leaves = ('Road', 'Parking', 'Lane Marking - General', 'Sidewalk', 'Car')
    ids = np.array([[street.node_id(leaf) for leaf in leaves]] * 2, np.uint8)
    rows = np.zeros((2, 8), np.uint8)
    rows[:, :5] = street.node_id_at_level(3)[ids]
    names['on_labels'](Image(height=2, width=5, step=8, data=rows.tobytes()))  # type: ignore[operator]
    np.testing.assert_array_equal(names['mask'], [[True, True, True, False, False]] * 2)
    assert street.node_id('Driveable') == 12
    assert street.node_id('Road') == 16
    assert street.node_id('Sidewalk') == 27
