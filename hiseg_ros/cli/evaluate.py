# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg evaluate`: measure weights on a data set, or a recording against its ground truth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import BagError

DATASETS = ('camvid', 'gtsdb', 'recording')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--dataset', required=True, choices=DATASETS,
        help="'recording': a bag with the node's labels and the ground truth of its images",
    )
    parser.add_argument('--root', type=Path, required=True, help='folder of the data set, or bag')
    parser.add_argument(
        '--split', default='val',
        help="camvid: 'train' or 'val'; gtsdb: 'train', 'held_out' or 'all' (default val)",
    )
    parser.add_argument(
        '--drive', action='append', default=[], help='camvid: only files that begin so'
    )
    parser.add_argument('--model', type=Path, help='weights file (default: the shipped weights)')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument('--input-height', type=int, default=0, help='as in `hiseg predict`')
    parser.add_argument(
        '--mapping', default='camvid', help='recording: labels of the ground truth'
    )
    parser.add_argument(
        '--labels-topic', default='/segmentation/labels', help='recording: topic of the labels'
    )
    parser.add_argument(
        '--ground-truth', default='/ground_truth/label_ids/compressed',
        help='recording: topic of the ground truth',
    )
    parser.add_argument('--json', type=Path, help='also write the scores to this file')


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    measure = {'camvid': _camvid, 'gtsdb': _gtsdb, 'recording': _recording}[options.dataset]
    scores = measure(options)
    text = json.dumps(scores, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + '\n')


def _engine(options: argparse.Namespace) -> Any:
    from hiseg_ros.inference.engine import Engine

    return Engine(options.model, device=options.device, input_height=options.input_height)


def _camvid(options: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from hiseg_ros.evaluation.evaluate import evaluate_pixels
    from hiseg_ros.taxonomy import load_mapping
    from hiseg_ros.training.datasets.camvid import CamVid

    dataset = CamVid(options.root, options.split, drives=options.drive)
    engine = _engine(options)
    samples = (dataset[index] for index in tqdm(range(len(dataset)), 'evaluating', unit='image'))
    pairs = ((sample.image, sample.label_ids) for sample in samples)
    return evaluate_pixels(engine, pairs, load_mapping('camvid', engine.taxonomy))


def _gtsdb(options: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from hiseg_ros.evaluation.evaluate import evaluate_signs
    from hiseg_ros.evaluation.signs import TrueSign
    from hiseg_ros.taxonomy import load_mapping
    from hiseg_ros.training.datasets.gtsdb import Gtsdb, sign_shape

    part = 'held_out' if options.split == 'val' else options.split
    dataset = Gtsdb(options.root, part)
    engine = _engine(options)
    mapping = load_mapping('gtsdb', engine.taxonomy)
    node_id = {label.label_id: label.leaves[0] for label in mapping.evaluated_labels}

    def samples() -> Iterator[tuple[Any, list[TrueSign]]]:
        for index in tqdm(range(len(dataset)), 'evaluating', unit='image'):
            sample = dataset[index]
            yield (
                sample.image,
                [
                    TrueSign(
                        node_id[box.label_id],
                        box.y1,
                        box.x1,
                        sign_shape(box.label_id, box.y2 - box.y1 + 1, box.x2 - box.x1 + 1),
                    )
                    for box in sample.boxes
                ],
            )

    return dict(evaluate_signs(engine, samples(), mapping))


def _one_byte(ids: NDArray[Any], topic: str) -> NDArray[np.uint8]:
    if ids.ndim != 2 or ids.max(initial=0) > 255:
        raise BagError(
            f'An image of {topic} has shape {ids.shape} and values up to {ids.max(initial=0)}; '
            'expected one channel of ids from 0 to 255.'
        )
    return ids.astype(np.uint8)


def _recording(options: argparse.Namespace) -> dict[str, Any]:
    from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
    from hiseg_ros.replay.bag import read_images, read_taxonomy
    from hiseg_ros.taxonomy import load_mapping

    taxonomy = read_taxonomy(options.root)
    mapping = load_mapping(options.mapping, taxonomy)
    truth = dict(read_images(options.root, options.ground_truth))
    confusion = Confusion(mapping)
    frames = 0
    for stamp, labels in read_images(options.root, options.labels_topic):
        if stamp in truth:
            predicted = label_ids_of_nodes(
                _one_byte(labels, options.labels_topic), mapping, taxonomy
            )
            confusion.add(_one_byte(truth[stamp], options.ground_truth), predicted)
            frames += 1
    if not frames:
        raise BagError(
            f'No image of {options.labels_topic} in {options.root} has the stamp of one of the '
            f'{len(truth)} images of {options.ground_truth}; expected the same stamps.'
        )
    return {'frames': frames, 'ground_truth_frames': len(truth), **confusion.summary()}
