# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment networks`: which rows, their training, their costs, the page."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import load_taxonomy

if TYPE_CHECKING:
    from hiseg_ros.training.comparison.costs import Cost
    from hiseg_ros.training.comparison.networks import TableRow
    from hiseg_ros.training.config.experiment import TrainingConfig
    from hiseg_ros.types import RgbImage


def compare_networks(
    options: argparse.Namespace,
    base: TrainingConfig,
    train: Callable[[Any, Path], Path],
    measured_on: str,
    start: str,
) -> None:
    """Compare decoders and classical methods, and measure what they cost.

    Args:
        options: Of the verb.
        base: The experiment with the wanted budget.
        train: Trains a row's settings in a run folder.
        measured_on: Which images are measured, in words.
        start: What the backbone starts from, in words.

    Raises:
        HisegError: A row cannot be had, or nothing is left.
    """
    with training_packages():
        from hiseg_ros.training.comparison import classical_rows, comparison, crf_row, network_page
        from hiseg_ros.training.comparison import networks as rows_of
        from hiseg_ros.training.comparison import scores as comparison_scores

    folder = options.output or Path('runs') / base.name
    rows, absent = _rows(options)
    wants_crf = crf_row.CRF_ROW in [row.name for row in rows]
    rows = [row for row in rows if row.name != crf_row.CRF_ROW]
    for name, reason in absent.items():
        print(f'left out: {name}. {reason}')
    if not rows and not wants_crf:
        raise ConfigError(
            f'None of the networks {sorted(absent)} can be built here; expected at least one: '
            'install the extra, or name others with --only.'
        )
    if wants_crf and not any(row.block == 'networks' for row in rows):
        crf_row.best_network([], rows)  # raises: there is none
    configs: dict[str, Callable[[int], Any]] = {
        row.name: partial(rows_of.network_config, base, row)
        if isinstance(row, rows_of.NetworkRow)
        else partial(classical_rows.classical_config, base, row)
        for row in rows
    }
    for configured in configs.values():
        configured(1)  # what a row cannot have is said before the first one is trained
    tests = comparison_scores.open_test_sets(base.datasets)
    comparison_scores.check_test_sets(tests, base.name, base.datasets)
    if wants_crf:
        crf_row.check_memory(tests, load_taxonomy(base.taxonomy))
    score = partial(
        comparison_scores.score_weights,
        tests=tests,
        limit=options.limit,
        labels=comparison_scores.ALL_LABELS,
        boundary=rows_of.BOUNDARY_WIDTH,
        accuracies=True,
    )
    results = comparison.train_and_score(
        configs, range(1, options.seeds + 1), folder, train, score, measured_on=measured_on
    )
    results = comparison.with_earlier_calls(results, configs, folder, measured_on)
    comparison.write_results(results, folder)
    files = {row.name: folder / f'{row.name}_1' / f'{row.name}.safetensors' for row in rows}
    rgb = tests[-1].dataset[0].image
    costs = _costs(rows, files, rgb)
    if wants_crf:
        best = crf_row.best_network(results, rows)
        results += crf_row.score_with_crf(
            results, best, folder, partial(score, with_crf=True), measured_on
        )
        comparison.write_results(results, folder)
        rows.append(rows_of.TableRow(f'{best}+crf', crf_row.CRF_BLOCK))
        costs[f'{best}+crf'] = _with_crf(costs[best], files[best], rgb)
    images = _one_image_by_all(files, rgb)
    page = network_page.write_page(results, rows, costs, absent, images, folder, start)
    print(network_page.tables(results, rows, costs))
    print(network_page.gaps(results, rows))
    print(classical_rows.order(results, rows, network_page.sorted_by(results)))
    print(f'written: {page}')


def _rows(options: argparse.Namespace) -> tuple[list[TableRow], dict[str, str]]:
    """Return the rows that are wanted and can be had, and by name why others are left out.

    Raises:
        ConfigError: There is no row of a name in --only.
    """
    from hiseg_ros.training.comparison import classical_rows, comparison, crf_row, networks

    known: list[TableRow] = [
        *networks.network_rows(),
        networks.TableRow(crf_row.CRF_ROW, crf_row.CRF_BLOCK),
        *classical_rows.classical_rows(),
    ]
    comparison.check_names(options.only, [row.name for row in known])
    if options.only:
        known = [row for row in known if row.name in options.only]
    elif options.quick:
        own = [networks.QUICK_BLOCK]
        own += [classical_rows.CLASSICAL_BLOCK] if options.classical else []
        known = [row for row in known if row.block in own]
    usable, absent = networks.usable_rows(
        [row for row in known if isinstance(row, networks.NetworkRow)]
    )
    classical = [row for row in known if row.block == classical_rows.CLASSICAL_BLOCK]
    absent |= classical_rows.absent_rows(classical)
    others = [row for row in known if not isinstance(row, networks.NetworkRow)]
    return [*usable, *(row for row in others if row.name not in absent)], absent


def _costs(rows: Sequence[TableRow], files: dict[str, Path], rgb: RgbImage) -> dict[str, Cost]:
    from hiseg_ros.training.comparison.costs import classical_costs, network_costs

    by_kind: dict[bool, dict[str, Path]] = {True: {}, False: {}}
    for row in rows:
        by_kind[row.block == 'classical'][row.name] = files[row.name]
    return {**network_costs(by_kind[False]), **classical_costs(by_kind[True], rgb)}


def _with_crf(cost: Cost, weights: Path, rgb: RgbImage) -> Cost:
    from hiseg_ros.training.comparison.costs import with_crf

    return with_crf(cost, weights, rgb)


def _one_image_by_all(files: dict[str, Path], rgb: RgbImage) -> dict[str, RgbImage]:
    """Return an image, and the overlay of each network or method on it."""
    from hiseg_ros.training.comparison.scores import opened
    from hiseg_ros.visualization import overlay

    images = {'image': rgb}
    for name, path in files.items():
        engine = opened(path)
        images[name] = overlay(rgb, engine.segment(rgb).labels, engine.taxonomy)
        engine.close()
    return images
