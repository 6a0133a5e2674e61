# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set-up script draws the drive of the demo beside its other steps."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / 'scripts' / 'setup_environment.py'

FOUND = """
import json, pathlib, sys
before = set(sys.modules)
from hiseg_ros.bags.footage import write_camera_bag
from hiseg_ros.cli.shared.drawn_drive import DrivePlan, draw, drawing_digest
import tqdm
plan = DrivePlan(size=(32, 64), frames=1)
drawing_digest(plan)
write_camera_bag(pathlib.Path(sys.argv[1]), [draw(plan, 0)], 15.0)
from importlib.metadata import packages_distributions
distributions = packages_distributions()
tops = {name.partition('.')[0] for name in set(sys.modules) - before}
print(json.dumps({top: distributions[top] for top in tops if top in distributions}))
"""


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script as a module whose .venv is this Python's."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location('setup_environment', SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'VENV_PYTHON', Path(sys.executable))
    return module


def test_what_the_drawing_imports_is_installed_before_it_starts(
    setup: Any, tmp_path: Path
) -> None:
    """Every package is pinned, and no other one is imported."""
    import hiseg_drawing

    pinned = {line.partition('==')[0] for line in hiseg_drawing.pinned_lines(ROOT)}
    assert pinned == set(hiseg_drawing.PACKAGES)
    command = [sys.executable, '-c', FOUND, str(tmp_path / 'bag')]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    imported = json.loads(result.stdout)
    assert {'numpy', 'rosbags', 'cv2'} <= imported.keys()
    imported.pop('hiseg_ros', None)
    for module, names in imported.items():  # several distributions may share a namespace
        known = {name.lower().replace('_', '-').replace('.', '-') for name in names}
        assert known & set(hiseg_drawing.PACKAGES), module


def test_the_drawing_starts_between_the_packages(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as its own are there, and before the others."""
    import hiseg_drawing

    steps: list[str] = []
    monkeypatch.setattr(setup, 'VENV', tmp_path)
    monkeypatch.setattr(setup, 'PACKAGES_STAMP', tmp_path / 'stamp')
    (tmp_path / 'hiseg_root').write_text(str(setup.ROOT))
    monkeypatch.setattr(setup, 'venv_version', lambda: '{}.{}'.format(*sys.version_info))
    monkeypatch.setattr(setup, 'check_machine', lambda: None)
    monkeypatch.setattr(setup, 'probe', lambda python: ((3, 11), 'nothing'))
    monkeypatch.setattr(setup, 'correct_include_paths', lambda: None)

    def run(command: list[str], **_: object) -> None:
        lines = [word for word in command if '==' in word]
        files = [Path(word).name for word in command if word.endswith('.txt')]
        steps.append('\n'.join(lines) or ' '.join(files))

    class Fake:
        is_wanted = True

        def start(self) -> None:
            steps.append('draw')

    monkeypatch.setattr(setup, 'run', run)
    setup.install_packages('robot', True, [], Fake())
    first, draw, rest = steps
    assert first.splitlines() == hiseg_drawing.pinned_lines(ROOT)
    assert (draw, rest) == ('draw', 'ros.txt runtime.txt')
    steps.clear()
    setup.install_packages('robot', True, [], Fake())
    assert steps == [], 'all is installed: `main` starts it'
    unwanted = hiseg_drawing.Drawing(Path(sys.executable), ROOT, is_wanted=False)
    (tmp_path / 'stamp').unlink()
    setup.install_packages('robot', True, [], unwanted)
    unwanted.start()
    assert steps == ['ros.txt runtime.txt']


def test_a_drawing_is_waited_for(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is started once, with lower priority; one that fails ends the wait, too."""
    import hiseg_drawing

    target = tmp_path / 'nice'
    code = 'import os, pathlib, time; time.sleep(0.5); '
    code += f'open({str(target)!r}, "a").write(str(os.nice(0)) + " "); raise SystemExit(3)'
    monkeypatch.setattr(hiseg_drawing, 'DRAW', code)
    drawing = hiseg_drawing.Drawing(Path(sys.executable), tmp_path)
    drawing.wait()
    drawing.stop()
    drawing.start()
    drawing.start()
    drawing.wait()
    assert target.read_text() == f'{min(19, os.nice(0) + 10)} '
    assert 'is being finished' in capsys.readouterr().out
    drawing.stop()


def test_a_setup_that_fails_ends_the_drawing_as_ctrl_c_does(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it removes what it has begun."""
    import hiseg_drawing

    begun, cleaned = tmp_path / 'begun', tmp_path / 'cleaned'
    monkeypatch.setattr(
        hiseg_drawing,
        'DRAW',
        'import pathlib, time\n'
        'try:\n'
        f'    pathlib.Path({str(begun)!r}).touch()\n'
        '    time.sleep(60)\n'
        'finally:\n'
        f'    pathlib.Path({str(cleaned)!r}).touch()\n',
    )

    def fail(packages: str, only_this: bool, quiet: list[str], drawing: Any) -> None:
        drawing.start()
        deadline = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        raise setup.SetupError('no network')

    monkeypatch.setattr(setup, 'install_packages', fail)
    # The lock on the checkout itself would make other tests' `make` wait.
    monkeypatch.setattr(setup, 'ROOT', tmp_path)
    monkeypatch.setattr(sys, 'argv', ['setup', '--draw'])
    assert setup.main() == 1
    assert cleaned.exists()
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (None, None),
        ('w -- ARGS=--jobless=1', None),
        ('-j5', '-j5'),
        (' -j8 --jobserver-auth=3,4', ' -j8 --jobserver-auth=3,4'),
        ('w --jobs=2', 'w --jobs=2'),
    ],
)
def test_the_build_takes_all_cores_beside_the_drawing(
    setup: Any, monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str | None
) -> None:
    """Whatever the load is; a number of jobs that was asked for stays."""
    monkeypatch.delenv('MAKEFLAGS', raising=False)
    if given is not None:
        monkeypatch.setenv('MAKEFLAGS', given)
    assert setup.make_flags() == (expected or f'-j{os.cpu_count()}')
