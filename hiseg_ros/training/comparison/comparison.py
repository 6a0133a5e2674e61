# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The runs of a comparison: trained, measured, resumed."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.output_files import locked_folder, output_file
from hiseg_ros.training.config.classical import ClassicalConfig
from hiseg_ros.training.config.experiment import TrainingConfig

SCORES = 'scores.json'

CLASSICAL_PIXELS = 3e7
"""Pixels that a network is trained on in the time that classical methods take in the mean."""


@dataclass(frozen=True)
class Result:
    """Scores of one trained network."""

    variant: str
    seed: int
    scores: dict[str, float]
    """By 'test set: score', in [0, 1]."""
    minutes: float
    """Training time."""


Config = TrainingConfig | ClassicalConfig

Trainer = Callable[[Any, Path], Path]
"""Trains in a run folder and returns the weights file."""

Scorer = Callable[[Path], dict[str, float]]
"""Measures a weights file and returns scores by name."""


def train_and_score(
    configs: Mapping[str, Callable[[int], Config]],
    seeds: Sequence[int],
    folder: Path,
    train: Trainer,
    score: Scorer,
    only: Sequence[str] = (),
    measured_on: str = 'all images',
) -> list[Result]:
    """Train and score every variant of a comparison with every seed; what is done is not repeated.

    Seeds are the outer loop, so an interrupted comparison has complete rounds. Before each run a
    line says how many there are, and after the first one how long they will take.

    Args:
        configs: By name of the variant: its settings for a seed.
        seeds: Seeds of the training runs of each variant.
        folder: Gets a run folder for each run, and results.json.
        train: Trains in a run folder and returns the weights file.
        score: Measures weights.
        only: Names of the variants to run; empty runs all.
        measured_on: Images that `score` uses, in words; other scores are not taken from disk.

    Raises:
        ConfigError: A variant does not exist, the folder has results of other settings, or another
            process is at work on a run.
        HisegError: As `train` and `score`.
    """
    check_names(only, configs)
    chosen = [configured for name, configured in configs.items() if not only or name in only]
    runs = [configured(seed) for seed in seeds for configured in chosen]
    pace = Pace([_pixels(config) for config in runs])
    results = []
    for number, config in enumerate(runs):
        run_dir = folder / f'{config.name}_{config.seed}'
        key = _key(config, measured_on)
        result = _stored(config, key, run_dir)
        if result is None:
            print(f'run {number + 1} of {len(runs)}: {config.name}, seed {config.seed}', end='')
            print(pace.left(number), flush=True)
            started = time.monotonic()
            with locked_folder(run_dir):  # others may train other variants into the same folder
                result = _one(config, key, run_dir, train, score)
            pace.add(number, time.monotonic() - started)
        results.append(result)
        write_results(results, folder)
    return results


def with_earlier_calls(
    results: Sequence[Result],
    configs: Mapping[str, Callable[[int], Config]],
    folder: Path,
    measured_on: str,
) -> list[Result]:
    """Return the results with those that other calls left in the folder, by variant and seed.

    Args:
        results: Of this call.
        configs: By name of every variant: its settings for a seed.
        folder: Of the comparison; runs of other settings in it are left out.
        measured_on: As of `train_and_score`.
    """
    found = {(one.variant, one.seed): one for one in results}
    for name, configured in configs.items():
        for run_dir in folder.glob(f'{name}_*'):
            seed = run_dir.name.removeprefix(f'{name}_')
            if not seed.isdecimal() or (name, int(seed)) in found:
                continue
            config = configured(int(seed))
            with suppress(ConfigError):
                result = _stored(config, _key(config, measured_on), run_dir)
                if result is not None:
                    found[name, int(seed)] = result
    order = list(configs)
    return sorted(found.values(), key=lambda one: (one.seed, order.index(one.variant)))


def _key(config: Config, measured_on: str) -> str:
    """Return what the scores of a run depend on."""
    return f'{config!r} measured on {measured_on}'


def write_results(results: Sequence[Result], folder: Path) -> None:
    """Write results.json."""
    _write_json(folder / 'results.json', [asdict(one) for one in results])


class Pace:
    """How long the runs that are left will take, from the time of those before them."""

    def __init__(self, sizes: Sequence[float]) -> None:
        """Take the size of each run, in any unit."""
        self._sizes = sizes
        self._seconds = self._done = 0.0

    def add(self, number: int, seconds: float) -> None:
        """Take the time of a run."""
        self._seconds += seconds
        self._done += self._sizes[number]

    def left(self, number: int) -> str:
        """Return in words the time from a run on, empty before the first one is done."""
        if not self._done:
            return ''
        minutes = sum(self._sizes[number:]) * self._seconds / self._done / 60
        return f'; about {minutes:.0f} min left'


def _pixels(config: Config) -> float:
    """Return the pixels that a run sees, to which its time is about proportional."""
    if isinstance(config, ClassicalConfig):
        return CLASSICAL_PIXELS
    crops = config.steps * sum(item.share for item in config.datasets.values())
    return float(crops * config.crop[0] * config.crop[1])


def check_names(names: Sequence[str], known: Iterable[str]) -> None:
    """Check that there are variants of these names.

    Raises:
        ConfigError: There are not.
    """
    unknown = set(names) - set(known)
    if unknown:
        raise ConfigError(
            f'There are no variants {sorted(unknown)}; expected some of {list(known)}.'
        )


def _stored(config: Config, key: str, run_dir: Path) -> Result | None:
    """Return the result of a finished run, None where it is not finished.

    Raises:
        ConfigError: The folder has the result of other settings.
    """
    done = run_dir / SCORES
    if not done.is_file():
        return None
    stored = json.loads(done.read_text())
    if stored['settings'] != key:
        raise ConfigError(
            f'{done} has the scores of other settings; expected those of this comparison: '
            'choose another output folder or delete this one.'
        )
    return Result(config.name, config.seed, stored['scores'], stored['minutes'])


def _one(
    config: Config,
    key: str,
    run_dir: Path,
    train: Trainer,
    score: Scorer,
) -> Result:
    started = time.monotonic()
    weights = train(config, run_dir)
    # Trainer and data form a reference cycle: without this, images of three runs stay in memory.
    gc.collect()
    minutes = (time.monotonic() - started) / 60
    scores = score(weights)
    _write_json(run_dir / SCORES, {'settings': key, 'scores': scores, 'minutes': minutes})
    # Checkpoints take ten times the space of the weights, and a finished run is not resumed.
    shutil.rmtree(run_dir / 'checkpoints', ignore_errors=True)
    return Result(config.name, config.seed, scores, minutes)


def _write_json(path: Path, value: Any) -> None:
    partial = path.with_suffix('.partial')
    output_file(partial).write_text(json.dumps(value, indent=2) + '\n')
    partial.replace(path)
