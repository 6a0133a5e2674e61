# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg evaluate`: scores of a network on a dataset, or of a recording with ground truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.cli.shared.context import (
    add_context_arguments,
    both,
    check_context,
    context_of,
)
from hiseg_ros.cli.shared.crf import add_crf_arguments, crf_facts, crf_for, crf_of
from hiseg_ros.cli.shared.damages import tell_damages
from hiseg_ros.cli.shared.engines import engine_of
from hiseg_ros.cli.shared.fleet import add_ray_arguments
from hiseg_ros.cli.shared.labelled_sets import (
    check_label_ids,
    dataset_of,
    mapping_of_options,
    samples_of,
)
from hiseg_ros.cli.shared.numbers import positive_integer
from hiseg_ros.cli.shared.recorded_labels import (
    boundary_scores,
    common_scores,
    measured_recording,
)
from hiseg_ros.datasets.registry import Measure, dataset_entry, names_measured_by
from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    pass

RECORDING = 'recording'
"""In place of a dataset: a bag with published labels and the ground truth of its images."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--dataset',
        required=True,
        choices=(*names_measured_by(Measure.PIXELS, Measure.SIGNS), RECORDING),
        help="dataset in --root; 'folder': images/*.jpg with labels/*.png; 'recording': a bag "
        'with the labels of the node and the ground truth of its images',
    )
    parser.add_argument('--root', type=Path, required=True, help='folder of the dataset, or bag')
    parser.add_argument(
        '--split',
        default='val',
        help="'val' (default), 'train', ...; gtsdb: 'val' is every fifth image, held out of "
        "training; drawn: 'val' draws scenes of its own",
    )
    parser.add_argument(
        '--drive',
        action='append',
        default=[],
        help='only files with this prefix; where folders of drives, cities or kinds of weather '
        "are in a dataset's layout, also those",
    )
    parser.add_argument(
        '--layout',
        help='of --dataset folder: a name in config/layouts or a YAML file, in place of '
        'images/*.jpg and labels/*.png',
    )
    parser.add_argument(
        '--limit', type=int, default=0, metavar='N', help='only the first N images (0: all)'
    )
    parser.add_argument(
        '--model',
        type=Path,
        help='weights file, also of a classical method (default: the shipped weights)',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument(
        '--backend',
        default='auto',
        help="backend: 'eager', 'compile', 'cuda_graph', 'onnx_runtime', 'openvino' or 'auto' "
        '(default), the fastest that is installed',
    )
    parser.add_argument(
        '--precision',
        default='float32',
        help="'float32' (default), 'bfloat16', 'float16', 'int8' or 'auto'",
    )
    parser.add_argument('--input-height', type=int, default=0, help='as in `hiseg predict`')
    parser.add_argument('--threshold', type=float, default=0.0, help='as in `hiseg predict`')
    parser.add_argument(
        '--mapping',
        help="labels of the ground truth (default: the dataset's own; a recording's "
        'are camvid); a name or a YAML file',
    )
    parser.add_argument(
        '--labels-topic', default='/segmentation/labels', help='recording: topic of the labels'
    )
    parser.add_argument(
        '--ground-truth',
        default='/ground_truth/label_ids/compressed',
        help='recording: topic of the ground truth',
    )
    parser.add_argument(
        '--boundary',
        nargs='*',
        metavar='WIDTH',
        help='also measure boundary F, and IoU near true boundaries, at these widths in pixels '
        "(such as 3) or shares of the image's diagonal (such as 0.5%%); none given: 1 3 5",
    )
    parser.add_argument(
        '--common',
        action='append',
        default=[],
        metavar='MAPPING',
        help='also give the mean IoU over the classes in common with this label set, a name or a '
        'YAML file, and list them; may be given several times',
    )
    parser.add_argument(
        '--against',
        metavar='SPLIT',
        help='also measure this split, such as train, and show mean, weighted and category IoU '
        'and confusion of both side by side; --drive and --limit hold for both',
    )
    add_context_arguments(parser)
    add_crf_arguments(parser)
    add_ray_arguments(parser)
    parser.add_argument(
        '--crf-search',
        type=positive_integer,
        metavar='N',
        help='with --crf: try N sets of parameters, the given one and random ones, and print '
        'their scores, best first; run it on training drives',
    )
    parser.add_argument('--json', type=Path, help='also write the scores to this file')
    parser.add_argument(
        '--report', type=Path, metavar='DIR', help='also write report.html to this folder'
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print the scores and write the files; return 0, or 3 where a bag is damaged."""
    from hiseg_ros.evaluation.report import Report, write_report
    from hiseg_ros.evaluation.scores_json import as_json
    from hiseg_ros.evaluation.tables import extra_tables

    if options.limit < 0:
        raise ConfigError(f'--limit is {options.limit}; expected 0 (all) or a number of images.')
    # Checked before the first image rather than after the last.
    for folder in (options.report, options.json.parent if options.json else None):
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigError(
                f'{folder} cannot be made ({problem}); expected a folder with the right to write.'
            ) from problem
    if options.crf_search:
        return _search(options)
    report: Report = _measured(options)
    text = as_json(report.scores)
    print(text)
    tables = extra_tables(report.scores)
    if tables:
        print(tables, file=sys.stderr)  # standard output is JSON alone
    if options.json:
        options.json.write_text(text + '\n')
    if options.report:
        write_report(report, options.report)
    return tell_damages(report.scores.get('damages', ()), on_stderr=True)


def _search(options: argparse.Namespace) -> int:
    """Print the scores of sets of CRF parameters, best first; return 0."""
    import json
    from functools import partial

    from hiseg_ros.evaluation.crf_search import draws, search_crf

    is_of_pixels = options.dataset != RECORDING and (
        dataset_entry(options.dataset).measure is Measure.PIXELS
    )
    if not options.crf or options.report or options.context or not is_of_pixels:
        raise ConfigError(
            '--crf-search is given without --crf, with --report or --context, or for a dataset '
            'without dense labels; expected --crf and a dataset with dense labels, and scores in '
            '--json.'
        )
    dataset = dataset_of(options)
    with engine_of(options) as engine:
        mapping = mapping_of_options(options, engine.taxonomy)
        crf = crf_of(options, engine)
        assert crf is not None  # --crf is given
        samples = ((one.image, one.label_ids) for one in samples_of(dataset, options, [], engine))
        tried = draws(options.crf_search, crf.parameters)
        rows = search_crf(engine, samples, mapping, tried, partial(crf_for, engine))
    text = json.dumps(rows, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + '\n')
    return 0


def _refine(crf: Any, engine: Any) -> Any:
    """Return the step after the network, None without a CRF."""
    if crf is None:
        return None
    return lambda rgb, segmentation: crf.refine(rgb, segmentation, engine.threshold)


def _measured(options: argparse.Namespace) -> Any:
    is_recording = options.dataset == RECORDING
    is_of_signs = not is_recording and dataset_entry(options.dataset).measure is Measure.SIGNS
    _check_of_label_images(options, is_recording, is_of_signs)
    check_context(options, not is_recording and not is_of_signs)
    if is_recording:
        if options.crf or options.crf_option:
            raise ConfigError(
                '--crf is given for a recording, which holds no probabilities; expected a '
                'dataset: use `hiseg replay --crf` for recordings.'
            )
        if options.ray:
            raise ConfigError(
                '--ray is given for a recording, whose labels are only compared; expected a '
                'dataset: leave --ray out.'
            )
        return measured_recording(options)
    measured = _signs if is_of_signs else _pixels
    dataset = dataset_of(options)
    with engine_of(options) as engine:
        return measured(options, dataset, engine)


def _check_of_label_images(
    options: argparse.Namespace, is_recording: bool, is_of_signs: bool
) -> None:
    """Check that options about dense labels and splits are given where there are such.

    Raises:
        ConfigError: They are not.
    """
    no_such = {
        '--boundary': is_of_signs and options.boundary is not None,
        '--common': is_of_signs and options.common,
        '--against': (is_of_signs or is_recording) and options.against is not None,
    }
    for option, is_wrong in no_such.items():
        if is_wrong:
            raise ConfigError(
                f'{option} is given for {options.dataset}; expected it for datasets with label '
                f'images only: leave {option} out.'
            )
    if options.against == options.split:
        raise ConfigError(
            f'--against is {options.against!r}, the split that is measured anyway; expected '
            'another one.'
        )


def _report(options: argparse.Namespace, engine: Any, scores: dict[str, Any], crf: Any) -> Any:
    """Return a report with scores and facts of the run, without images."""
    from hiseg_ros import __version__
    from hiseg_ros.evaluation.report import Report

    run_facts = {
        'dataset': options.dataset,
        'split': ' '.join([options.split, *options.drive]),
        'images': scores['images'],
        'model': engine.model_path.name,
        'taxonomy': f'{engine.taxonomy.name} {engine.taxonomy.version}',
        'taxonomy_digest': engine.taxonomy.digest,
        'input_height': options.input_height,
        'threshold': options.threshold,
        'device': engine.device,
        'backend': engine.backend,
        'precision': engine.precision,
        'hiseg_ros': __version__,
        **crf_facts(crf),
    }
    facts = {key.replace('_', ' '): str(value) for key, value in run_facts.items()}
    facts['hiseg_ros'] = facts.pop('hiseg ros')
    facts['input height'] = str(options.input_height or "the weights' rule")
    title = f'{engine.model_path.stem} on {options.dataset}, {run_facts["split"]}'
    return Report(title, facts, {'run': run_facts, **scores})


def _pixels(options: argparse.Namespace, dataset: Any, engine: Any) -> Any:
    """Measure dense labels."""
    from dataclasses import replace

    from hiseg_ros.evaluation.album import PixelAlbum
    from hiseg_ros.evaluation.confusion import confusion_counts
    from hiseg_ros.evaluation.evaluate import evaluate_pixels
    from hiseg_ros.evaluation.four_figures import of_splits
    from hiseg_ros.evaluation.train_ids import TrainIdWatch

    mapping, crf = mapping_of_options(options, engine.taxonomy), crf_of(options, engine)
    album = PixelAlbum(mapping, engine.taxonomy)
    names: list[str] = []
    boundary = boundary_scores(options, mapping)
    common = common_scores(options, mapping, engine.taxonomy)
    against = None
    if options.against is not None:
        # Opened before the first image is measured: what it lacks is said at once.
        against = dataset_of(argparse.Namespace(**{**vars(options), 'split': options.against}))

    def pairs(measured: Any) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
        watch = TrainIdWatch(mapping)
        for sample in samples_of(measured, options, names, engine):
            check_label_ids(sample.name, sample.label_ids, mapping)
            watch.add(sample.label_ids)
            yield sample.image, sample.label_ids
        watch.finish()

    keep = (lambda one: album.add(names[-1], one)) if options.report else None
    refine = _refine(crf, engine)
    context = context_of(options, dataset, engine, mapping, refine, names)
    keep = both(keep, context.add if context else None)
    scores = evaluate_pixels(engine, pairs(dataset), mapping, keep, boundary, refine)
    scores |= common(confusion_counts(scores['summed'])) | (context.scores() if context else {})
    if against is not None:
        other = evaluate_pixels(engine, pairs(against), mapping, refine=refine)
        scores['four_figures'] = of_splits({options.split: scores, options.against: other})
    report = _report(options, engine, scores, crf)
    return replace(
        report,
        colors=album.colors,
        worst=album.book.worst(),
        best=album.book.best(),
        context=context.run.examples() if context else (),
    )


def _signs(options: argparse.Namespace, dataset: Any, engine: Any) -> Any:
    """Measure annotated signs."""
    from dataclasses import replace

    from hiseg_ros.datasets.true_signs import true_signs
    from hiseg_ros.evaluation.album import SignAlbum
    from hiseg_ros.evaluation.evaluate import evaluate_signs

    mapping, crf = mapping_of_options(options, engine.taxonomy), crf_of(options, engine)
    album = SignAlbum(mapping, engine.taxonomy)
    names: list[str] = []
    pairs = (
        (sample.image, true_signs(sample.boxes, mapping))
        for sample in samples_of(dataset, options, names, engine)
    )
    keep = (lambda one: album.add(names[-1], one)) if options.report else None
    scores = evaluate_signs(engine, pairs, mapping, keep, refine=_refine(crf, engine))
    report = _report(options, engine, scores, crf)
    return replace(report, worst=album.book.worst(), best=album.book.best())
