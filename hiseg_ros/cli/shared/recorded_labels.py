# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores of the labels in a recording of the node, and scores that label images have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import BagError, ImageError

if TYPE_CHECKING:
    from hiseg_ros.bags.message_stream import StreamMessage
    from hiseg_ros.bags.recording import Recording
    from hiseg_ros.evaluation.boundary import BoundaryScores
    from hiseg_ros.taxonomy import Mapping, Taxonomy

RECORDING_MAPPING = 'camvid'
"""Mapping of a recording's ground truth where --mapping names none."""


def boundary_scores(options: argparse.Namespace, mapping: Mapping) -> BoundaryScores | None:
    """Return what measures boundaries at the widths of --boundary, None without it."""
    from hiseg_ros.evaluation.boundary import BoundaryScores, parse_widths

    if options.boundary is None:
        return None
    return BoundaryScores(mapping, parse_widths(options.boundary))


def common_scores(
    options: argparse.Namespace, mapping: Mapping, taxonomy: Taxonomy
) -> Callable[[NDArray[np.int64]], dict[str, Any]]:
    """Return what makes the part of the scores on common classes of the counts of labels.

    Raises:
        ConfigError: There is no common class, or a label set is given twice.
    """
    from hiseg_ros.evaluation.common import common_classes, common_summary
    from hiseg_ros.taxonomy import load_mapping

    if not options.common:
        return lambda _: {}
    sets = [mapping, *(load_mapping(name, taxonomy) for name in options.common)]
    classes = common_classes(sets)
    return lambda counts: {'common': common_summary(sets, classes, counts)}


def measured_recording(options: argparse.Namespace) -> Any:
    """Measure the labels in a recording of the node."""
    from tqdm import tqdm

    from hiseg_ros.bags.bag import IMAGE_TYPES
    from hiseg_ros.bags.message_stream import MessageStream
    from hiseg_ros.bags.pairing import Place, pair
    from hiseg_ros.bags.recording import open_recording
    from hiseg_ros.bags.stamps import is_plain_cdr, read_stamp_ns
    from hiseg_ros.evaluation.confusion import confusion_counts, label_ids_of_nodes
    from hiseg_ros.evaluation.pixels import NodeScores
    from hiseg_ros.evaluation.report import Report
    from hiseg_ros.evaluation.train_ids import TrainIdWatch
    from hiseg_ros.taxonomy import load_mapping

    recording = open_recording(options.root)
    topics = (options.labels_topic, options.ground_truth)
    for name in topics:
        if not recording.topic(name).is_image:
            raise BagError(
                f'Topic {name} of {options.root} has the type '
                f'{recording.topic(name).message_type}; expected one of '
                f'{", ".join(IMAGE_TYPES)}: choose an image topic.'
            )
    taxonomy = _recorded_taxonomy(recording)
    mapping = load_mapping(options.mapping or RECORDING_MAPPING, taxonomy)
    boundary = boundary_scores(options, mapping)
    common = common_scores(options, mapping, taxonomy)
    places: dict[str, list[Place]] = {name: [] for name in topics}
    first = MessageStream([recording], topics)
    for message in first:
        data = message.raw.data
        stamp_ns = read_stamp_ns(data) if is_plain_cdr(data) else None
        places[message.raw.topic].append(Place(stamp_ns, message.raw.time_ns, hash(data)))
    pairing = pair(places[options.labels_topic], places[options.ground_truth])
    damages = [str(damage) for damage in first.damages]
    scores, frames, watch = NodeScores(mapping, taxonomy), 0, TrainIdWatch(mapping)
    wanted = set(pairing.truth_of.values())
    truth: dict[int, NDArray[np.uint8] | None] = {}
    for number, message in enumerate(MessageStream([recording], [options.ground_truth])):
        if number in wanted:
            truth[number] = _ids(message, damages)
    labels_of = MessageStream([recording], [options.labels_topic])
    for number, message in enumerate(tqdm(labels_of, 'evaluating', unit='frame')):
        if number in pairing.truth_of and (not options.limit or frames < options.limit):
            true_ids, labels = truth[pairing.truth_of[number]], _ids(message, damages)
            if true_ids is not None and labels is not None:
                watch.add(true_ids)
                scores.add(true_ids, labels)
                if boundary is not None:
                    boundary.add(true_ids, label_ids_of_nodes(labels, mapping, taxonomy))
                frames += 1
    watch.finish()
    if not frames:
        why = f' ({damages[0]})' if damages else ''
        raise BagError(
            f'No image of {options.labels_topic} in {options.root} has the stamp of one of the '
            f'{len(places[options.ground_truth])} images of {options.ground_truth}, or stamps and '
            f'recording times do not tell which{why}; expected the same stamps.'
        )
    facts = {
        'recording': options.root.name,
        'frames': f'{frames} of {len(places[options.ground_truth])} with ground truth',
        'taxonomy': f'{taxonomy.name} {taxonomy.version}',
    }
    if pairing.by_time:
        facts['pairs'] = f'{len(pairing.by_time)} by recording time: stamps are zero or repeated'
    of_labels = scores.summary()
    return Report(
        f'Recording {options.root.name}',
        facts,
        {
            'frames': frames,
            'ground_truth_frames': len(places[options.ground_truth]),
            **({'paired_by_time': len(pairing.by_time)} if pairing.by_time else {}),
            **of_labels,
            'hierarchy': scores.hierarchy(),
            **common(confusion_counts(of_labels)),
            **({} if boundary is None else {'boundary': boundary.summary()}),
            **({'damages': damages} if damages else {}),
        },
    )


def _ids(message: StreamMessage, damages: list[str]) -> NDArray[np.uint8] | None:
    """Return the label ids of a message; of a damaged one note that and return None.

    Raises:
        BagError: It is a whole image, but none of label ids.
    """
    from hiseg_ros.images.image_message import values_of
    from hiseg_ros.replay.truth import one_byte

    try:
        values = values_of(message.decode())
    except ImageError as error:
        damages.append(str(message.damage(str(error))))
        return None
    return one_byte(values, message.raw.topic)


def _recorded_taxonomy(recording: Recording) -> Taxonomy:
    """Return the label tree that the recorded node published.

    Raises:
        BagError: The recording has none.
    """
    from hiseg_ros.bags.message_stream import MessageStream
    from hiseg_ros.messages.codec import decode_taxonomy

    topic = recording.topic('/segmentation/taxonomy')
    for message in MessageStream([recording], [topic.name]):
        return decode_taxonomy(message.decode())
    raise BagError(
        f'The recording {recording.path} has no message on {topic.name}; expected the latched '
        'label tree of the node: record from before the first frame on.'
    )
