# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The row of the best network with a dense CRF after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

from hiseg_ros.errors import ConfigError
from hiseg_ros.output_files import output_file
from hiseg_ros.postprocessing.crf import DenseCrf
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.comparison.comparison import Result, Scorer
from hiseg_ros.training.comparison.networks import TableRow
from hiseg_ros.training.comparison.page import score_names, values_of
from hiseg_ros.training.comparison.scores import TestSet

CRF_BLOCK = 'crf'
CRF_ROW = 'best_crf'
"""Its name in --only; in the table it is that of the network and '+crf'."""

SCORES = 'scores_crf.json'


def best_network(results: Sequence[Result], rows: Sequence[TableRow]) -> str:
    """Return the network with the highest mIoU on the first test set.

    That is the validation set; the unseen drive, which orders the table, is chosen by for nothing.

    Raises:
        ConfigError: There are no results of networks.
    """
    key = next((name for name in score_names(results) if name.endswith(': mIoU')), '')
    scores = {
        row.name: mean(values)
        for row in rows
        if row.block == 'networks' and (values := values_of(results, row.name, key))
    }
    if not scores:
        raise ConfigError(
            f'{CRF_ROW} is the CRF after the best network, and none is compared; expected at '
            'least one: name some with --only beside it.'
        )
    return max(scores, key=lambda name: scores[name])


def check_memory(tests: Sequence[TestSet], taxonomy: Taxonomy) -> None:
    """Check that a CRF of the first image of each test set fits the free memory.

    Raises:
        ConfigError: It does not; the sentence says how many classes would.
    """
    crf = DenseCrf(taxonomy)
    for test in tests:
        if len(test.dataset):
            height, width = test.dataset[0].image.shape[:2]
            crf.check_memory((height, width))


def score_with_crf(
    results: Sequence[Result], name: str, folder: Path, score: Scorer, measured_on: str
) -> list[Result]:
    """Return the results of a network with a CRF after it; what is done is not repeated.

    Args:
        results: Of all runs, those of the network among them.
        name: Of the network.
        folder: Of the comparison.
        score: Measures weights with a CRF.
        measured_on: As of `train_and_score`.
    """
    found = []
    for one in (result for result in results if result.variant == name):
        run_dir = folder / f'{name}_{one.seed}'
        weights = run_dir / f'{name}.safetensors'
        print(f'CRF after {name}, seed {one.seed}', flush=True)
        scores = _stored_or(partial(score, weights), run_dir / SCORES, measured_on)
        found.append(Result(f'{name}+crf', one.seed, scores, one.minutes))
    return found


def _stored_or(make: Callable[[], dict[str, float]], path: Path, key: str) -> dict[str, float]:
    if path.is_file():
        stored = json.loads(path.read_text())
        if stored['measured_on'] == key:
            scores: dict[str, float] = stored['scores']
            return scores
    scores = make()
    partial = output_file(path.with_suffix('.partial'))
    partial.write_text(json.dumps({'measured_on': key, 'scores': scores}, indent=2) + '\n')
    partial.replace(path)
    return scores
