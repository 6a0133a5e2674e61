# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of mined with random images: one round of active learning at several budgets.

A network is trained on a few random images, and mines the rest of the pool. At each budget, one
run has these few and mined ones, another these few and further random ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hiseg_ros.datasets import dataset_entry, mapping_of, open_dataset
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.mining.labels import PreLabels, label_set
from hiseg_ros.mining.mine import drives_of
from hiseg_ros.mining.pool import DatasetSource, EnginePool
from hiseg_ros.mining.scores import FrameScorer, scores_of
from hiseg_ros.mining.selection import Candidate, select
from hiseg_ros.output_files import output_file
from hiseg_ros.retrieval.features import FeatureNetwork, Kind
from hiseg_ros.retrieval.store import features_of
from hiseg_ros.training.comparison.comparison import Result, Scorer, Trainer, train_and_score
from hiseg_ros.training.config.experiment import TrainingConfig

START, RANDOM, MINED = 'start', 'random', 'mined'

BUDGETS = (40, 80)
"""Images of the runs, those of the start included."""

LABELS = (
    'pole', 'column_pole', 'signsymbol', 'traffic sign', 'pedestrian', 'person', 'bicyclist',
    'rider', 'fence',
)  # fmt: skip
"""Labels, in lower case, whose own IoU is measured: what is rare."""


@dataclass(frozen=True)
class ImagePool:
    """The images that may be labelled: the one training dataset of an experiment."""

    base: TrainingConfig
    dataset_name: str
    """Name of the dataset in the experiment."""
    names: tuple[str, ...]
    """Names of its images."""
    budgets: tuple[int, ...]
    """Ascending."""

    @property
    def start_size(self) -> int:
        """Number of random images that every run has: half the smallest budget."""
        return self.budgets[0] // 2

    def shuffled(self, seed: int) -> list[str]:
        """Return the names in an order that depends on the seed alone."""
        order = np.random.default_rng(seed).permutation(len(self.names))
        return [self.names[place] for place in order]

    def config(self, variant: str, seed: int, names: Sequence[str]) -> TrainingConfig:
        """Return the settings of a run on some of the images; all else is the base's."""
        item = self.base.datasets[self.dataset_name]
        drives = dataset_entry(item.kind).drives
        assert drives is not None  # checked when the pool was opened
        options = {**item.options, drives.keep: sorted(names)}
        return replace(
            self.base,
            name=variant,
            seed=seed,
            datasets={self.dataset_name: replace(item, options=options)},
        )


def open_pool(base: TrainingConfig, budgets: Sequence[int]) -> ImagePool:
    """Open the dataset of an experiment as a pool.

    Raises:
        ConfigError: The experiment has several datasets, or one whose images cannot be chosen by
            name, or fewer images than the largest budget; or the budgets do not ascend from 4.
        DatasetError: The folder lacks something.
    """
    ascends = list(budgets) == sorted(set(budgets)) and budgets and budgets[0] >= 4
    if not ascends:
        raise ConfigError(
            f'--budgets are {list(budgets)}; expected ascending numbers of images from 4 on.'
        )
    entries = [dataset_entry(item.kind) for item in base.datasets.values()]
    if len(entries) != 1 or entries[0].drives is None or not entries[0].kept_out:
        raise ConfigError(
            f'Experiment {base.name!r} trains on {", ".join(base.datasets)}; expected one dataset '
            'whose images can be chosen by name and which has a part for measuring, such as '
            'camvid: name another with --base.'
        )
    [(name, item)] = base.datasets.items()
    dataset = open_dataset(item.kind, item.root, item.options)
    names = [dataset[place].name for place in range(len(dataset))]
    if len(names) < budgets[-1]:
        raise ConfigError(
            f'{item.root} has {len(names)} images to train on; expected at least the '
            f'{budgets[-1]} of the largest budget: lower --budgets.'
        )
    pool = ImagePool(base, name, tuple(names), tuple(budgets))
    # A name may be the beginning of another, and then stands for both.
    few = pool.config(START, 1, names[: pool.start_size]).datasets[name]
    if len(open_dataset(few.kind, few.root, few.options)) != pool.start_size:
        raise ConfigError(
            f'The images of {item.root} cannot be chosen by their names; expected names that do '
            'not begin with each other, in one folder.'
        )
    return pool


@dataclass(frozen=True)
class Chosen:
    """The images of every run of one seed."""

    seed: int
    names: dict[str, list[str]]
    """By variant."""


def variant(kind: str, budget: int) -> str:
    """Return the name of the runs of a kind at a budget."""
    return f'{kind}_{budget}'


def compare(
    pool: ImagePool,
    seeds: Sequence[int],
    folder: Path,
    train: Trainer,
    score: Scorer,
    measured_on: str,
    device: str = 'auto',
) -> tuple[list[Result], list[Chosen]]:
    """Train and score all runs; what is done is not repeated.

    Seeds are the outer loop, so that an interrupted comparison has complete rounds.

    Args:
        pool: The images.
        seeds: Seeds of the rounds.
        folder: Gets a run folder for each run, results.json, and the choice of each seed.
        train: Trains in a run folder and returns the weights file.
        score: Measures weights.
        measured_on: Images that `score` uses, in words.
        device: Device that mines.

    Raises:
        ConfigError: The folder has results of other settings.
        HisegError: As `train` and `score`.
    """
    rounds: list[Chosen] = []
    configs: Mapping[str, Callable[[int], TrainingConfig]] = {}
    for seed in seeds:
        order = pool.shuffled(seed)
        start = order[: pool.start_size]
        begin = {START: lambda number, names=start: pool.config(START, number, names)}
        print(f'seed {seed}: the start, {len(start)} random images')
        train_and_score(begin, [seed], folder, train, score, measured_on=measured_on)
        weights = folder / f'{START}_{seed}' / f'{START}.safetensors'
        mined = _mined(pool, start, weights, folder, seed, device)
        names = {START: start}
        for budget in pool.budgets:
            names[variant(RANDOM, budget)] = order[:budget]
            names[variant(MINED, budget)] = [*start, *mined[budget]]
        rounds.append(Chosen(seed, names))
        configs = _configs(pool, rounds)
        print(f'seed {seed}: random and mined images')
        train_and_score(configs, [seed], folder, train, score, measured_on=measured_on)
    return train_and_score(configs, seeds, folder, train, score, measured_on=measured_on), rounds


def _configs(
    pool: ImagePool, rounds: Sequence[Chosen]
) -> dict[str, Callable[[int], TrainingConfig]]:
    of_seed = {one.seed: one.names for one in rounds}

    def config_of(name: str) -> Callable[[int], TrainingConfig]:
        return lambda seed: pool.config(name, seed, of_seed[seed][name])

    return {name: config_of(name) for name in rounds[0].names}


def _mined(
    pool: ImagePool, start: Sequence[str], weights: Path, folder: Path, seed: int, device: str
) -> dict[int, list[str]]:
    """Return what the network of the start mines for each budget, from disk if it is there."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    key = [digest, list(pool.names), list(pool.budgets), sorted(start)]
    path = folder / f'mined_{seed}.json'
    try:
        stored = json.loads(path.read_text('utf-8'))
        if stored['settings'] == key:
            return {int(budget): names for budget, names in stored['mined'].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    mined = mine_budgets(pool, start, weights, folder / 'cache', device)
    content = json.dumps({'settings': key, 'mined': mined}, indent=1)
    output_file(path).write_text(content + '\n', 'utf-8')
    return mined


def mine_budgets(
    pool: ImagePool, start: Sequence[str], weights: Path, cache: Path, device: str = 'auto'
) -> dict[int, list[str]]:
    """Return the names of the mined images by budget, without those of the start.

    Args:
        pool: The images.
        start: Names of images that are labelled already.
        weights: The network that mines.
        cache: Where scores and features are kept.
        device: Where it runs.
    """
    item = pool.base.datasets[pool.dataset_name]
    engine = Engine(weights, device=device)
    mapping = mapping_of(item.kind, engine.taxonomy, item.options)
    labels = label_set(mapping, engine.taxonomy)
    dataset = open_dataset(item.kind, item.root, item.options)
    source = DatasetSource(dataset, Path(item.root), item.kind, repr(sorted(item.options.items())))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    scorer = FrameScorer(engine.taxonomy, labels, PreLabels(mapping, engine.taxonomy))
    scores = scores_of(EnginePool(source, engine, digest), scorer, repr(mapping), cache / 'scores')
    engine.close()
    network = FeatureNetwork(weights, Kind.BACKBONE, device)
    features = features_of(source, network, cache / 'features')
    drives = drives_of(pool.dataset_name, scores)
    candidates = [Candidate(0, drive, one) for drive, one in zip(drives, scores, strict=True)]
    labelled = [place for place, one in enumerate(scores) if one.name in set(start)]
    return {
        budget: [
            pick.candidate.score.name
            for pick in select(
                candidates, features.vectors, budget - len(start), labelled=labelled
            )
        ]
        for budget in pool.budgets
    }
