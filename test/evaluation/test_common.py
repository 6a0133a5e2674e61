# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classes that label sets have in common, and the mean over them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.common import common_classes, common_summary
from hiseg_ros.taxonomy import Label, Mapping, load_mapping, load_taxonomy


def label_set(name: str, **leaves: tuple[int, ...]) -> Mapping:
    """Return a mapping with these labels and leaves."""
    labels = (Label(i, label, which) for i, (label, which) in enumerate(leaves.items()))
    return Mapping(name, tuple(labels), ())


ONE = label_set('one', sky=(1,), cycle=(2, 3), tree=(4,), wall=(5,))
TWO = label_set('two', rider=(2,), Sky=(1,), bike=(3,), house=(5, 6), grass=(7,))


def test_labels_that_share_leaves_are_one_class() -> None:
    """Rider and bike of one set are the cycle of the other; tree and grass have no partner."""
    classes = common_classes([ONE, TWO])
    assert [(one.name, one.members) for one in classes] == [
        ('Sky', ((0,), (1,))),
        ('cycle', ((1,), (0, 2))),
        ('wall', ((3,), (3,))),
    ]
    assert [one.leaves for one in classes] == [(1,), (2, 3), (5, 6)]


def test_the_classes_are_the_same_from_every_side() -> None:
    """Measured on three datasets, three lists of the same names."""
    taxonomy = load_taxonomy('street')
    sets = [load_mapping(name, taxonomy) for name in ('camvid', 'cityscapes_trainids')]
    sets.append(load_mapping('synthia', taxonomy))
    named = [
        {one.name: one.leaves for one in common_classes(list(order))}
        for order in itertools.permutations(sets)
    ]
    assert all(one == named[0] for one in named)
    assert len(named[0]) >= 8
    bicyclist = next(
        one
        for one in common_classes(sets)
        if sets[0].labels[one.members[0][0]].name == 'Bicyclist'
    )
    cityscapes = {sets[1].evaluated_labels[member].name for member in bicyclist.members[1]}
    assert cityscapes == {'rider', 'bicycle', 'motorcycle'}


def test_scores_are_those_of_pixels_counted_anew() -> None:
    """Truth of no common class is left out; a prediction of none is an error."""
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 500), rng.integers(0, 5, 500)
    counts = np.zeros((4, 5), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    summary = common_summary([ONE, TWO], common_classes([ONE, TWO]), counts)
    keep = truth != 2
    ious = {}
    for name, row in (('Sky', 0), ('cycle', 1), ('wall', 3)):
        true, found = truth[keep] == row, predicted[keep] == row
        ious[name] = (true & found).sum() / (true | found).sum()
    assert summary['iou'] == pytest.approx(ious, abs=6e-5)
    assert summary['miou'] == pytest.approx(np.mean(list(ious.values())))
    assert summary['pixels'] == keep.sum()
    assert summary['pixel_accuracy'] == (truth[keep] == predicted[keep]).mean()
    assert summary['classes']['cycle'] == {'one': ['cycle'], 'two': ['rider', 'bike']}
    assert summary['left_out'] == {'one': ['tree'], 'two': ['grass']}
    assert summary['absent'] == []


def test_labels_of_one_class_are_no_confusion_of_each_other() -> None:
    """Seen from the set that tells rider and bike apart; house was never seen."""
    counts = np.zeros((5, 6), np.int64)
    counts[0, 2] = counts[2, 0] = 10
    counts[1, 1] = 5
    summary = common_summary([TWO, ONE], common_classes([TWO, ONE]), counts)
    assert summary['iou'] == {'cycle': 1, 'Sky': 1, 'wall': None}
    assert (summary['miou'], summary['absent']) == (1, ['wall'])


def test_one_name_for_two_things_is_spelled_out() -> None:
    other = label_set('two', b=(2,), aa=(1,))
    classes = common_classes([label_set('one', bbb=(1,), b=(2,)), other])
    assert [one.name for one in classes] == ['aa', 'b']
    twice = common_classes(
        [label_set('one', x=(1,), long=(2,)), label_set('two', far=(1,), x=(2,))]
    )
    assert [one.name for one in twice] == ['one: x; two: far', 'one: long; two: x']


def test_sets_without_a_common_class_and_equal_sets_are_one_sentence() -> None:
    with pytest.raises(ConfigError, match='one, two have no class in common'):
        common_classes([ONE, label_set('two', sea=(9,))])
    with pytest.raises(ConfigError, match="'one' is compared with itself"):
        common_classes([ONE, TWO, ONE])
