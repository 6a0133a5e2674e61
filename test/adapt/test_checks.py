# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is measured without labels, and when adapted weights are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from hiseg_ros.adapt.checks import Answer, Check, HeldFrame, check_target, kept_share, source_score
from hiseg_ros.adapt.verdict import objections
from hiseg_ros.errors import CheckpointError
from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import (
    EVERYTHING,
    LabelImage,
    NodeProbabilities,
    RgbImage,
    Segmentation,
    Wanted,
)

TAXONOMY = load_taxonomy('street')
SKY, ROAD, WALL = (TAXONOMY.node_id(name) for name in ('Sky', 'Road', 'Wall'))


class Rule:
    """Stands for a network: labels by a rule on the image, all with one confidence."""

    def __init__(self, rule: Callable[[RgbImage], LabelImage], confidence: int = 200) -> None:
        """Take the rule."""
        self.taxonomy: Taxonomy = TAXONOMY
        self._rule, self._confidence = rule, confidence

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the labels with probability 1 for those of the nodes."""
        labels = self._rule(rgb)
        values = np.zeros((len(TAXONOMY), *labels.shape), np.float32)
        for node_id in np.unique(labels):
            for one in TAXONOMY.path(int(node_id)):
                values[one][labels == node_id] = 1
        size = (labels.shape[0], labels.shape[1])
        return Segmentation(
            labels,
            np.full(labels.shape, self._confidence, np.uint8),
            NodeProbabilities(values, size),
        )


def by_brightness(rgb: RgbImage) -> LabelImage:
    return np.where(rgb[..., 1] > 128, SKY, ROAD).astype(np.uint8)


def everywhere(node_id: int) -> Callable[[RgbImage], LabelImage]:
    return lambda rgb: np.full(rgb.shape[:2], node_id, np.uint8)


def by_column(rgb: RgbImage) -> LabelImage:
    labels = np.full(rgb.shape[:2], ROAD, np.uint8)
    labels[:, : rgb.shape[1] // 4] = SKY
    return labels


@pytest.fixture
def frame() -> HeldFrame:
    """Return a textured image, 250 above and 100 below, and the next one two pixels on."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.uniform(-60, 60, (144, 200)), (0, 0), 2) * 3
    grey = np.where(np.arange(144)[:, None] < 72, 230, 70) + np.clip(texture, -25, 25)
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return HeldFrame('0', np.ascontiguousarray(image[:, :192]), image[:, 2:194].copy())


def test_a_network_that_looks_at_what_is_there_is_steady(frame: HeldFrame) -> None:
    answers, found = check_target(Rule(by_brightness), [frame, frame])
    assert found['stability'] > 0.98
    assert found['over_time'] > 0.98
    assert found['confidence'] == pytest.approx(200 / 255, abs=1e-5)
    assert found['unsure'] == 0
    assert len(answers) == 2 and answers[0].labels.shape == (144, 192)


def test_one_that_looks_at_the_column_is_not_steady_when_mirrored(frame: HeldFrame) -> None:
    _, found = check_target(Rule(by_column), [frame])
    # Mirrored, half of the image has another label; the other two views are as before.
    assert found['stability'] == pytest.approx(1 - 0.5 / 3, abs=0.01)


def test_one_that_changes_its_mind_is_not_steady_over_time(frame: HeldFrame) -> None:
    """The darker view and the next frame are told from the first by the mean."""
    answers = iter([SKY, SKY, SKY, SKY, ROAD])
    _, found = check_target(Rule(lambda rgb: everywhere(next(answers))(rgb)), [frame])
    assert found['stability'] == 1
    assert found['over_time'] == 0


def test_files_have_no_next_frame_and_low_confidence_is_counted(frame: HeldFrame) -> None:
    alone = replace(frame, following=None)
    _, found = check_target(Rule(by_brightness, confidence=100), [alone])
    assert found['over_time'] is None
    assert found['unsure'] == 1


def test_kept_are_the_labels_of_which_the_old_weights_were_sure() -> None:
    labels = np.array([[SKY, SKY, ROAD, ROAD]], np.uint8)
    sure = np.array([[255, 240, 230, 100]], np.uint8)
    new = np.array([[SKY, WALL, ROAD, WALL]], np.uint8)
    assert kept_share([Answer(labels, sure)], [Answer(new, sure)]) == pytest.approx(2 / 3)
    assert kept_share([Answer(labels, sure)], [Answer(labels, sure)]) == 1
    assert kept_share([Answer(labels, sure // 2)], [Answer(new, sure)]) is None


@pytest.mark.needs('torch')
def test_the_source_score_is_the_mean_iou(frame: HeldFrame) -> None:
    mapping = load_mapping('camvid', TAXONOMY)
    truth = np.where(frame.rgb[..., 1] > 128, 0, 3).astype(np.uint8)  # CamVid's Sky and Road
    assert source_score(Rule(by_brightness), [(frame.rgb, truth)], mapping) == 1
    half = source_score(Rule(everywhere(ROAD)), [(frame.rgb, truth)], mapping)
    assert half == pytest.approx(0.25, abs=0.01)


# The verdict.

BEFORE = Check(0.90, 0.95, 0.8, 0.1, 0.50, 16)
SAME = replace(BEFORE, kept=1.0)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'source': 0.489}, 'the source score fell from 50.0 % to 48.9 % mIoU, more than 1 point'),
        ({'stability': 0.897}, 'mirrored, made smaller or darker: 90.0 % before, 89.7 % after'),
        ({'over_time': 0.94}, 'less stable from frame to frame: 95.0 % before, 94.0 % after'),
        ({'kept': 0.85}, 'only 85.0 % of the pixels that were sure before keep their label'),
    ],
)
def test_what_is_worse_is_refused(change: dict[str, float], words: str) -> None:
    (found,) = objections(BEFORE, replace(SAME, **change))
    assert words in found


@pytest.mark.parametrize(
    'change',
    [{}, {'source': 0.491}, {'stability': 0.8995}, {'over_time': None}, {'kept': 0.91},
     {'confidence': 0.7}],
)  # fmt: skip
def test_what_is_not_worse_is_accepted(change: dict[str, float | None]) -> None:
    assert objections(BEFORE, replace(SAME, **change)) == []


@pytest.mark.needs('torch')
def test_a_network_that_says_wall_everywhere_is_steady_sure_and_refused(frame: HeldFrame) -> None:
    """The highway's road must not become a wall: stability and confidence would let it pass."""
    mapping = load_mapping('camvid', TAXONOMY)
    truth = np.where(frame.rgb[..., 1] > 128, 0, 3).astype(np.uint8)
    checks, kept = [], None
    old: list[Answer] = []
    for network in (Rule(by_brightness, 250), Rule(everywhere(WALL), 255)):
        answers, figures = check_target(network, [frame])
        kept = kept_share(old, answers) if old else None
        score = source_score(network, [(frame.rgb, truth)], mapping)
        checks.append(Check(**figures, source=score, source_images=1, kept=kept))
        old = answers
    before, after = checks
    assert after.stability >= before.stability and after.confidence > before.confidence
    found = objections(before, after)
    assert len(found) == 2
    assert 'source score' in found[0] and 'keep their label' in found[1]


def test_figures_are_read_as_they_were_written() -> None:
    assert Check.from_json(SAME.as_json()) == SAME
    with pytest.raises(CheckpointError, match='of an earlier start cannot be read'):
        Check.from_json({'stability': 1.0})
