# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of IV 2018: one network and budget, several ways to use the datasets."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.output_files import output_file
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.loss import LossKind


@dataclass(frozen=True)
class Variant:
    """One variant of the comparison."""

    name: str
    title: str
    head: str
    loss: LossKind
    alone: str = ''
    """Name of the only dataset, or empty for all together."""


@dataclass(frozen=True)
class Result:
    """Scores of one trained network."""

    variant: str
    seed: int
    scores: dict[str, float]
    """By 'test set: score', in [0, 1]."""
    minutes: float
    """Training time."""


def variants(dataset_names: Sequence[str], head: str = 'conditional') -> list[Variant]:
    """Return the variants: four on all datasets, and one on each dataset alone.

    Args:
        dataset_names: Names of the experiment's datasets.
        head: Head of the networks that are trained on one dataset alone.
    """
    title = {'conditional': 'conditional head', 'leaf': 'leaf head'}
    return [
        Variant('flat', 'flat: one softmax, ambiguous labels ignored', 'leaf', 'flat'),
        Variant('iv2018', 'as published in 2018', 'conditional', 'iv2018'),
        Variant('set_leaf', 'set loss, leaf head', 'leaf', 'set'),
        Variant('set_conditional', 'set loss, conditional head', 'conditional', 'set'),
        *(
            Variant(f'alone_{name}', f'{name} alone, set loss, {title[head]}', head, 'set', name)
            for name in dataset_names
        ),
    ]


def variant_config(base: TrainingConfig, variant: Variant, seed: int) -> TrainingConfig:
    """Return the settings of a variant: same network, batch size and steps as the base.

    Raises:
        ConfigError: The variant names a dataset that the experiment lacks.
    """
    datasets = dict(base.datasets)
    if variant.alone:
        if variant.alone not in datasets:
            raise ConfigError(
                f'Variant {variant.name} is of dataset {variant.alone!r}; expected one of '
                f'{list(datasets)}.'
            )
        images = sum(item.share for item in datasets.values())
        datasets = {variant.alone: replace(datasets[variant.alone], share=images)}
    return replace(
        base,
        name=variant.name,
        seed=seed,
        network=replace(base.network, head=variant.head),
        loss=base.loss.with_kind(variant.loss),
        datasets=datasets,
    )


Trainer = Callable[[TrainingConfig, Path], Path]
"""Trains in a run folder and returns the weights file."""

Scorer = Callable[[Path], dict[str, float]]
"""Measures a weights file and returns scores by name."""


def compare(
    base: TrainingConfig,
    seeds: Sequence[int],
    folder: Path,
    train: Trainer,
    score: Scorer,
    only: Sequence[str] = (),
    measured_on: str = 'all images',
) -> list[Result]:
    """Train and score every variant with every seed; finished runs are taken from disk.

    Seeds are the outer loop, so an interrupted comparison has complete rounds.

    Args:
        base: The experiment; its head, loss, seed and name are replaced.
        seeds: Seeds of the training runs of each variant.
        folder: Gets a run folder for each run, and results.json.
        train: Trains in a run folder and returns the weights file.
        score: Measures weights.
        only: Names of the variants to run; empty runs all.
        measured_on: Images that `score` uses, in words; other scores are not taken from disk.

    Raises:
        ConfigError: A variant does not exist, or the folder has results of other settings.
        HisegError: As `train` and `score`.
    """
    configs = {
        variant.name: partial(variant_config, base, variant)
        for variant in variants(list(base.datasets))
    }
    return train_and_score(configs, seeds, folder, train, score, only, measured_on)


def train_and_score(
    configs: Mapping[str, Callable[[int], TrainingConfig]],
    seeds: Sequence[int],
    folder: Path,
    train: Trainer,
    score: Scorer,
    only: Sequence[str] = (),
    measured_on: str = 'all images',
) -> list[Result]:
    """Train and score every variant of a comparison with every seed, as `compare`.

    Args:
        configs: By name of the variant: its settings for a seed.
        seeds: Seeds of the training runs of each variant.
        folder: Gets a run folder for each run, and results.json.
        train: Trains in a run folder and returns the weights file.
        score: Measures weights.
        only: Names of the variants to run; empty runs all.
        measured_on: Images that `score` uses, in words; other scores are not taken from disk.

    Raises:
        ConfigError: A variant does not exist, or the folder has results of other settings.
        HisegError: As `train` and `score`.
    """
    check_names(only, configs)
    results = []
    for seed in seeds:
        for name, configured in configs.items():
            if only and name not in only:
                continue
            run_dir = folder / f'{name}_{seed}'
            config = configured(seed)
            key = f'{config!r} measured on {measured_on}'
            results.append(_one(config, key, run_dir, train, score))
            _write_json(folder / 'results.json', [asdict(result) for result in results])
    return results


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


def _one(
    config: TrainingConfig,
    key: str,
    run_dir: Path,
    train: Trainer,
    score: Scorer,
) -> Result:
    done = run_dir / 'scores.json'
    if done.is_file():
        stored = json.loads(done.read_text())
        if stored['settings'] != key:
            raise ConfigError(
                f'{done} has the scores of other settings; expected those of this comparison: '
                'choose another output folder or delete this one.'
            )
        return Result(config.name, config.seed, stored['scores'], stored['minutes'])
    started = time.monotonic()
    weights = train(config, run_dir)
    # Trainer and data form a reference cycle: without this, images of three runs stay in memory.
    gc.collect()
    minutes = (time.monotonic() - started) / 60
    scores = score(weights)
    _write_json(done, {'settings': key, 'scores': scores, 'minutes': minutes})
    # Checkpoints take ten times the space of the weights, and a finished run is not resumed.
    shutil.rmtree(run_dir / 'checkpoints', ignore_errors=True)
    return Result(config.name, config.seed, scores, minutes)


def _write_json(path: Path, value: Any) -> None:
    partial = path.with_suffix('.partial')
    output_file(partial).write_text(json.dumps(value, indent=2) + '\n')
    partial.replace(path)
