# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The `hiseg` command: its verbs, its help, and errors as one line with exit code 2."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hiseg_ros
from hiseg_ros.cli.__main__ import VERBS, main
from hiseg_ros.errors import ConfigError

ROOT = Path(hiseg_ros.__file__).resolve().parent.parent


def hiseg(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'}
    return subprocess.run(
        [sys.executable, '-m', 'hiseg_ros.cli', *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_a_file_with_arguments_and_run(verb: str) -> None:
    """One verb, one file."""
    module = importlib.import_module(f'hiseg_ros.cli.{verb}')
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    assert callable(module.run)
    without_help = [
        action.dest
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert without_help == []


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`hiseg VERB --help` prints usage and ends well."""
    with pytest.raises(SystemExit) as ended:
        main([verb, '--help'])
    assert ended.value.code == 0
    assert f'usage: hiseg {verb}' in capsys.readouterr().out


def test_help_lists_the_verbs_and_version_is_the_packages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The two things asked of any command."""
    with pytest.raises(SystemExit) as ended:
        main(['--help'])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)
    with pytest.raises(SystemExit) as ended:
        main(['--version'])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f'hiseg {hiseg_ros.__version__}\n'


@pytest.mark.parametrize('arguments', [[], ['paint'], ['train'], ['train', 'x', '--speed', '9']])
def test_wrong_usage_ends_with_2_and_says_what_is_possible(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No verb, an unknown one, a missing or unknown argument."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert 'usage: hiseg' in capsys.readouterr().err


@pytest.mark.needs('train')
def test_an_error_of_the_family_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No traceback for what a user can mend."""
    assert main(['train', str(tmp_path / 'absent.yaml')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('hiseg train: ')
    assert 'absent.yaml does not exist' in error
    assert error.count('\n') == 1
    assert 'Traceback' not in error


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug keeps its traceback."""

    def broken(_options: argparse.Namespace) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr('hiseg_ros.cli.train.run', broken)
    with pytest.raises(ZeroDivisionError):
        main(['train', 'street_lite'])


def test_an_interrupt_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As shells expect after Ctrl-C."""

    def interrupted(_options: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('hiseg_ros.cli.train.run', interrupted)
    assert main(['train', 'street_lite']) == 130
    assert capsys.readouterr().err == 'hiseg train: interrupted\n'


def test_only_the_chosen_verbs_room_is_imported() -> None:
    """Help, version and `taxonomy` cost no torch and no ROS."""
    code = (
        'import sys\n'
        'from hiseg_ros.cli.__main__ import main\n'
        'try:\n    code = main(sys.argv[1:])\n'
        'except SystemExit as ended:\n    code = ended.code\n'
        "names = ('torch', 'lightning', 'timm', 'rclpy', 'matplotlib')\n"
        'heavy = [name for name in names if name in sys.modules]\n'
        'assert not heavy, heavy\n'
        'sys.exit(code)\n'
    )
    environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'}
    cheap = (['--version'], ['--help'], ['train', '--help'], ['taxonomy', 'show', 'street'])
    for arguments in cheap:
        done = subprocess.run(
            [sys.executable, '-c', code, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.needs('train')
def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    """`python -m hiseg_ros.cli` in any folder, exit codes included."""
    done = hiseg('train', 'no_such_experiment', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('hiseg train: Experiment ')
    assert done.stdout == ''


def test_training_takes_its_folders_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative data set folders lie below --data; the run folder is runs/<name> by default."""
    run_module = pytest.importorskip('hiseg_ros.training.run.train')
    calls: list[tuple[dict[str, str], Path, str]] = []

    def remember(config: object, run_dir: Path, *, accelerator: str, force_config: bool) -> Path:
        roots = {name: item.root for name, item in config.datasets.items()}  # type: ignore[attr-defined]
        calls.append((roots, run_dir, accelerator))
        return run_dir / 'x.safetensors'

    monkeypatch.setattr(run_module, 'train', remember)
    assert main(['train', 'street_lite', '--data', '/data', '--accelerator', 'cpu']) == 0
    assert main(['train', 'street_lite', '--output', str(tmp_path)]) == 0
    assert calls[0][0]['camvid'] == '/data/camvid'
    assert calls[0][1:] == (Path('runs/street_lite'), 'cpu')
    assert calls[1][0]['camvid'] == 'camvid'
    assert calls[1][1:] == (tmp_path, 'auto')
    assert 'weights: ' in capsys.readouterr().out


def test_training_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The extra is named, whichever of its packages is missing."""
    for module in ('hiseg_ros.training.run.train', 'hiseg_ros.training.config.experiment'):
        monkeypatch.setitem(sys.modules, module, None)
        for command in (['train', 'street_lite'], ['experiment', 'heterogeneous']):
            assert main(command) == 2
            assert 'pip install "hiseg_ros[train]"' in capsys.readouterr().err


def test_errors_of_the_family_are_told_apart_by_class() -> None:
    """One base, one class per kind of input at fault."""
    from hiseg_ros import errors

    family = {
        name
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, errors.HisegError)
    }
    assert family == {
        'HisegError',
        'TaxonomyError',
        'MappingError',
        'CheckpointError',
        'ConfigError',
        'ImageError',
        'DeviceError',
        'DeviceMemoryError',
        'DatasetError',
        'BagError',
    }
    assert not issubclass(ConfigError, ValueError)
