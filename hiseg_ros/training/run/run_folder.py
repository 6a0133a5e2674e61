# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folder of a run: configuration, environment of each start, metrics in one table."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from hiseg_ros import __version__
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.processor import processor_name
from hiseg_ros.output_files import output_file
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config
from hiseg_ros.training.run.checkpoint_files import replace_file

PACKAGES = ('torch', 'torchvision', 'lightning', 'timm', 'numpy', 'opencv-python-headless')
SETTINGS = 'config.yaml'
ENVIRONMENT = 'environment.json'
METRICS = 'metrics.csv'

_FREE = (
    'workers',
    'threads',
    'recipe',
    'licences',
    'validation',
    'validation_every_epochs',
    'final_weights',
    'initial_weights',
    'backbone_weights',
    'start',
)
"""Keys that may change in a run that has begun, as may the folders of its datasets."""


def tuples_as_lists(value: Any) -> Any:
    """Return a value with tuples replaced by lists, for YAML."""
    if isinstance(value, dict):
        return {key: tuples_as_lists(item) for key, item in value.items()}
    return [tuples_as_lists(item) for item in value] if isinstance(value, list | tuple) else value


def settings_text(config: TrainingConfig) -> str:
    """Return a configuration as an experiment file."""
    return yaml.safe_dump(tuples_as_lists(asdict(config)), sort_keys=False)


def last_checkpoint(run_dir: Path) -> Path:
    """Return the path of the checkpoint from which a run resumes; it need not exist."""
    return run_dir / 'checkpoints' / 'last.ckpt'


def check_run_folder(run_dir: Path, config: TrainingConfig, force_config: bool = False) -> None:
    """Check that a folder can be written and holds no run with other settings.

    Args:
        run_dir: Folder of the run; nothing is written yet.
        config: Settings of the run.
        force_config: Resume a run with other settings than it was started with.

    Raises:
        ConfigError: The folder cannot be written, or settings differ.
    """
    nearest = next(path for path in (run_dir, *run_dir.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(
            f'The run folder {run_dir} cannot be written ({nearest} is no folder, or without the '
            'right to write); expected one that can: name another with --output.'
        )
    path = run_dir / SETTINGS
    if not path.is_file() or not last_checkpoint(run_dir).is_file() or force_config:
        return
    advice = 'choose another --output, or resume with the new settings with --force-config'
    try:
        before = load_training_config(path)
    except ConfigError as problem:
        raise ConfigError(
            f'The run folder {run_dir} has a {SETTINGS} that cannot be read ({problem}); '
            f'expected that of the run to resume: {advice}.'
        ) from problem
    differences = _differences(tuples_as_lists(asdict(before)), tuples_as_lists(asdict(config)))
    changed = [text for key, text in differences if not _is_free(key)]
    if changed:
        raise ConfigError(
            f'The run folder {run_dir} holds a run with other settings '
            f'({"; ".join(changed)}); expected the same ones to resume it: {advice}.'
        )


def _is_free(key: str) -> bool:
    parts = key.split('.')
    is_dataset_root = parts[0] == 'datasets' and parts[2:] == ['root']
    is_place = is_dataset_root or key in ('teacher.weights', 'adaptation.target.root')
    return parts[0] in _FREE or is_place


def _differences(before: Any, now: Any, key: str = '') -> list[tuple[str, str]]:
    """Return (key, 'key: old -> new') of everything that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return [
            difference
            for name in sorted({*before, *now}, key=str)
            for difference in _differences(
                before.get(name), now.get(name), f'{key}.{name}' if key else str(name)
            )
        ]
    return [] if before == now else [(key, f'{key}: {before!r} -> {now!r}')]


def environment(processes: int = 1) -> dict[str, Any]:
    """Return versions, device, command and commit of a run."""
    checkout = Path(__file__).resolve().parents[3]
    found: dict[str, Any] = {
        'started': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
        'command': sys.argv,
        'hiseg_ros': __version__,
        'commit': _git(checkout, 'rev-parse', 'HEAD'),
        'changed_files': _git(checkout, 'status', '--short'),
        'python': platform.python_version(),
        'system': platform.platform(),
        'device': device_name(),
        'processes': processes,
        'cuda': torch.version.cuda if torch.cuda.is_available() else None,
    }
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of git in the checkout, or None for an installed package."""
    if not (folder / '.git').exists():
        return None
    try:
        done = subprocess.run(
            ['git', *arguments], cwd=folder, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def device_name() -> str:
    """Return the name of the GPU, or of the CPU with the number of threads that torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'{processor_name()}, {torch.get_num_threads()} threads'


def record_start(
    run_dir: Path, config: TrainingConfig, started: dict[str, Any], processes: int
) -> None:
    """Write the configuration, and append this start to environment.json.

    Args:
        run_dir: Folder of the run.
        config: Settings of the run.
        started: What differs from start to start: first step, precision.
        processes: That train together.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    replace_file(run_dir / SETTINGS, lambda path: path.write_text(settings_text(config)))
    path = run_dir / ENVIRONMENT
    try:
        starts = list(json.loads(path.read_text())) if path.is_file() else []
    except ValueError:
        starts = []  # only a log: not worth stopping a run
    starts.append({**started, **environment(processes)})
    replace_file(path, lambda partial: partial.write_text(json.dumps(starts, indent=1) + '\n'))


def merge_metrics(run_dir: Path) -> Path:
    """Merge the metrics of all starts of a run into one table, each step once.

    A run that was killed may have logged steps after its last checkpoint, which were trained again
    after the next start: the later rows are kept.

    Raises:
        CheckpointError: The table cannot be written.
    """
    kept: list[dict[str, str]] = []
    parts = sorted(
        (run_dir / 'metrics').glob('version_*/metrics.csv'),
        key=lambda path: int(path.parent.name.removeprefix('version_')),
    )
    for part in parts:
        with part.open(newline='') as file:
            rows = [row for row in csv.DictReader(file) if (row.get('step') or '').isdigit()]
        if rows:
            first = min(int(row['step']) for row in rows)
            kept = [row for row in kept if int(row['step']) < first] + rows
    names = list(dict.fromkeys(name for row in kept for name in row if name))
    names.sort(key=lambda name: (name != 'epoch', name != 'step'))
    path = run_dir / METRICS

    def write(partial: Path) -> None:
        with output_file(partial).open('w', newline='') as file:
            table = csv.DictWriter(file, names, restval='', extrasaction='ignore')
            table.writeheader()
            table.writerows(kept)

    replace_file(path, write)
    return path
