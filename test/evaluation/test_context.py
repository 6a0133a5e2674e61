# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Context dependence of networks that are known to have none, and all of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hiseg_ros.datasets.counterfactuals import Remover
from hiseg_ros.datasets.removal import object_labels
from hiseg_ros.errors import ImageError
from hiseg_ros.evaluation.context import ChangedImage, ContextScores, LeftOut, Removal
from hiseg_ros.evaluation.context_run import ContextRun
from hiseg_ros.evaluation.evaluate import evaluate_pixels
from hiseg_ros.evaluation.report import Report, render_report
from hiseg_ros.evaluation.tables import extra_tables
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted

SIZE = (60, 80)
SKY, BUILDING, POLE, ROAD, PAVEMENT, CAR, PEDESTRIAN = 0, 1, 2, 3, 4, 8, 9
STEP = 20
"""Grey levels between the colours of labels."""


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def camvid(taxonomy: Taxonomy) -> Mapping:
    return load_mapping('camvid', taxonomy)


def picture(label_ids: np.ndarray) -> RgbImage:
    """Return an image whose colours are its labels."""
    grey = (label_ids * STEP + 10).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


def seen(image: RgbImage) -> np.ndarray:
    """Return the labels that an image's colours stand for."""
    return np.clip(image[..., 0] // STEP, 0, 10)


class Toy:
    """Labels images by a rule."""

    def __init__(
        self, taxonomy: Taxonomy, mapping: Mapping, rule: Callable[[RgbImage], np.ndarray]
    ) -> None:
        self.taxonomy, self._rule = taxonomy, rule
        self._leaf = {label.label_id: label.leaves[0] for label in mapping.labels}

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the labels of the rule, with certainty."""
        del wanted
        label_ids = self._rule(rgb)
        values = np.zeros((len(self.taxonomy), *rgb.shape[:2]), np.float32)
        nodes = np.zeros(rgb.shape[:2], np.uint8)
        for label_id, leaf in self._leaf.items():
            values[leaf] = label_ids == label_id
            nodes[label_ids == label_id] = leaf
        confidence = np.full(rgb.shape[:2], 255, np.uint8)
        return Segmentation(nodes, confidence, NodeProbabilities(values, rgb.shape[:2]))


def cheat(image: RgbImage) -> np.ndarray:
    """Say pavement where it is, if there is a car, else road."""
    labels = seen(image).copy()
    if (labels == CAR).sum() < 20:
        labels[labels == PAVEMENT] = ROAD
    return labels


def streets(count: int) -> list[np.ndarray]:
    """Return labels of streets: sky, road, a pavement, and a car somewhere on the road."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        labels = np.full(SIZE, ROAD, np.uint8)
        labels[:20] = SKY
        labels[50:] = PAVEMENT
        x = int(rng.integers(5, 60))
        labels[28:36, x : x + 14] = CAR
        found.append(labels)
    return found


def measured(
    taxonomy: Taxonomy,
    mapping: Mapping,
    rule: Callable[[RgbImage], np.ndarray],
    truths: list[np.ndarray],
    examples: int = 0,
) -> tuple[ContextScores, ContextRun]:
    labels = object_labels(mapping, taxonomy)
    engine, scores = Toy(taxonomy, mapping, rule), ContextScores(mapping, labels)
    run, remover = ContextRun(engine, mapping, scores, None, examples), Remover(mapping, labels)
    index = iter(range(len(truths)))

    def add(one: object) -> None:
        number = next(index)
        name = f'street_{number}'
        run.add(name, one, remover.removals(name, number, one.image, one.truth))  # type: ignore[attr-defined, arg-type]

    evaluate_pixels(engine, ((picture(one), one) for one in truths), mapping, add)
    return scores, run


@pytest.mark.needs('torch')
def test_a_network_that_reads_the_class_map_depends_on_no_context(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    scores, run = measured(taxonomy, camvid, seen, streets(22), examples=3)
    found = scores.summary()
    assert found['pairs'] == 3  # sky, road and pavement
    for name in ('context_dependence', 'drop', 'control_drop', 'flip', 'control_flip'):
        assert found[name] == 0
    assert found['removals']['Car'] == 22
    assert found['hallucination']['Car'] == 0
    assert run.examples() == []


@pytest.mark.needs('torch')
def test_a_network_that_sees_pavement_only_beside_cars_loses_all_of_it(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    """The control leaves the car in place, so nothing is lost there."""
    scores, run = measured(taxonomy, camvid, cheat, streets(22), examples=3)
    found = scores.summary()
    matrix = found['matrix']
    car, pavement = matrix['rows'].index('Car'), matrix['columns'].index('Pavement')
    assert matrix['drop'][car][pavement] == 1
    assert matrix['control_drop'][car][pavement] == 0
    assert matrix['context'][car][pavement] == 1
    assert matrix['flip'][car][pavement] == 1
    assert matrix['hit'][car][pavement] == 1
    assert matrix['drop'][car][matrix['columns'].index('Sky')] == 0
    # What was pavement is now taken for road, which loses as much as it is too large.
    road = matrix['columns'].index('Road')
    right = sum(int((one == ROAD).sum()) for one in streets(22))
    assert 0.2 < matrix['drop'][car][road] < 800 * 22 / right
    assert found['context_dependence'] == pytest.approx((1 + matrix['drop'][car][road]) / 3)
    shown = run.examples()
    assert len(shown) == 3
    assert [one.label for one in shown] == ['Car'] * 3
    assert shown[0].score >= shown[1].score > 0.1


@pytest.mark.needs('torch')
def test_a_network_that_remembers_the_car_hallucinates_it(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    truths = streets(1)

    def remember(_: RgbImage) -> np.ndarray:
        return truths[0]

    scores, _ = measured(taxonomy, camvid, remember, truths)
    assert scores.summary()['hallucination']['Car'] == 1


@pytest.mark.needs('torch')
def test_pairs_of_few_images_are_in_the_matrix_and_not_in_the_mean(
    taxonomy: Taxonomy, camvid: Mapping
) -> None:
    scores, _ = measured(taxonomy, camvid, cheat, streets(19))
    found = scores.summary()
    assert found['pairs'] == 0 and found['context_dependence'] is None
    assert max(found['matrix']['images'][found['matrix']['rows'].index('Car')]) == 19


def by_hand(camvid: Mapping, control: bool) -> tuple[ContextScores, float]:
    """Count one image of 1x10 pixels: two of them lie in the removed part."""
    label = next(one for one in camvid.labels if one.label_id == CAR)
    scores = ContextScores(camvid, [label], min_images=1)
    truth = np.array([[CAR, CAR, ROAD, ROAD, ROAD, ROAD, PAVEMENT, PAVEMENT, 11, POLE]], np.uint8)
    before = np.array([[CAR, CAR, ROAD, ROAD, ROAD, PAVEMENT, 4, 4, 4, ROAD]], np.uint8)
    after = np.array([[CAR, ROAD, ROAD, 4, 4, PAVEMENT, 4, ROAD, 4, ROAD]], np.uint8)
    changed = np.zeros((1, 10), bool)
    changed[0, :2] = True
    other = np.zeros((1, 10), bool)
    other[0, 9] = True
    image = np.zeros((1, 10, 3), np.uint8)
    removal = Removal(
        CAR, ChangedImage(image, changed), ChangedImage(image, other) if control else None
    )
    of_control = before.copy()
    of_control[0, 2] = PAVEMENT
    flipped = scores.add(truth, before, removal, after, of_control if control else None)
    return scores, flipped


def test_shares_are_those_counted_by_hand(camvid: Mapping) -> None:
    scores, flipped = by_hand(camvid, control=False)
    found = scores.summary()
    matrix = found['matrix']
    assert matrix['columns'] == ['Pole', 'Road', 'Pavement']
    # Road: before 3 of 4 + 1 (the pole) right, after 1 of 4 + 2 (pole and pavement).
    assert matrix['drop'][0] == pytest.approx([0, 3 / 5 - 1 / 6, 2 / 3 - 1 / 5])
    assert matrix['flip'][0] == pytest.approx([0, 2 / 4, 1 / 2])
    assert matrix['hit'][0] == [0, 1, 1]
    assert matrix['control_drop'] is None and matrix['control_flip'] is None
    assert found['hallucination'] == {'Car': 0.5}
    assert flipped == pytest.approx(3 / 7)
    assert found['pairs'] == 3


def test_the_control_is_subtracted_and_its_pixels_are_compared_nowhere(camvid: Mapping) -> None:
    scores, flipped = by_hand(camvid, control=True)
    matrix = scores.summary()['matrix']
    # The pole lies in the control's part: its image has no pole left to compare.
    assert matrix['columns'] == ['Road', 'Pavement']
    assert matrix['drop'][0] == pytest.approx([3 / 4 - 1 / 5, 2 / 3 - 1 / 5])
    assert matrix['control_drop'][0] == pytest.approx([3 / 4 - 2 / 4, 2 / 3 - 2 / 4])
    assert matrix['context'][0] == pytest.approx([2 / 4 - 1 / 5, 2 / 4 - 1 / 5])
    assert matrix['control_flip'][0] == pytest.approx([1 / 4, 0])
    assert flipped == pytest.approx(3 / 6 - 1 / 6)


def test_images_of_another_size_are_refused(camvid: Mapping) -> None:
    label = camvid.labels[CAR]
    scores = ContextScores(camvid, [label])
    small, large = np.zeros((2, 2), np.uint8), np.zeros((3, 3), np.uint8)
    removal = Removal(CAR, ChangedImage(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), bool)))
    with pytest.raises(ImageError, match='expected the same'):
        scores.add(small, small, removal, large)


@pytest.mark.needs('torch')
def test_the_report_and_the_table_show_the_matrix(taxonomy: Taxonomy, camvid: Mapping) -> None:
    scores, run = measured(taxonomy, camvid, cheat, streets(22), examples=1)
    scores.leave_out(LeftOut(CAR, 'too large'))
    found = {'context': {'removal': 'inpaint', **scores.summary()}}
    table = extra_tables(found)
    assert 'Car      22     0.0' in table
    assert '+100.0' in table and 'left out: Car: too large, 1 images' in table
    truth = streets(1)[0]
    engine = Toy(taxonomy, camvid, seen)
    dense = evaluate_pixels(engine, [(picture(truth), truth)], camvid)
    page = render_report(Report('toy', {}, {**dense, **found}, context=run.examples()))
    assert '<h2>Context</h2>' in page
    assert 'Car removed, Pavement: 22 images; IoU +100.0 points lost, control +0.0' in page
    assert page.count('data:image/jpeg;base64,') == 4
