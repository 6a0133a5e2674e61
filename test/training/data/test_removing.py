# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects removed from training images: the share, the choice, and the labels that are left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.datasets.removal import object_labels
from hiseg_ros.datasets.sample import Box, Sample
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.config.removal import RemovalConfig
from hiseg_ros.training.data.label_table import IGNORED, LabelTable, Narrowing
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.data.removing import ObjectRemoval, RemovableLabel
from hiseg_ros.training.data.training_set import TrainingSet

SIZE = CROP = (96, 128)
ROAD, CAR, PEDESTRIAN = 3, 8, 9
PLAIN = AugmentationConfig(colour=0, blur=0, noise=0)


def street() -> Sample:
    """Return a road with a large and a small car and a person, each in a colour of its own."""
    label_ids = np.full(SIZE, ROAD, np.uint8)
    label_ids[20:40, 10:40] = CAR
    label_ids[60:64, 80:90] = CAR
    label_ids[20:36, 100:105] = PEDESTRIAN
    image = np.repeat((label_ids * 20)[..., None], 3, 2)
    return Sample('street', image, label_ids)


class Streets:
    """A dataset of one image, which can be drawn again on a black ground."""

    mapping_name = 'camvid'

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.asked: list[int] = []

    def __len__(self) -> int:
        """Return the number of images."""
        return 1

    def __getitem__(self, index: int) -> Sample:
        """Return the image."""
        return self.sample


class RedrawnStreets(Streets):
    """One that draws again."""

    def redrawn_without(self, index: int, label_id: int) -> tuple[Sample, np.ndarray]:
        """Return road where the objects were."""
        self.asked.append(label_id)
        changed = self.sample.label_ids == label_id
        label_ids = np.where(changed, ROAD, self.sample.label_ids).astype(np.uint8)
        image = np.where(changed[..., None], 1, self.sample.image).astype(np.uint8)
        return Sample('again', image, label_ids), changed


def loaded(
    dataset: Streets, settings: RemovalConfig | None, **more: Any
) -> tuple[TrainingSet, LabelTable]:
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('camvid', taxonomy)
    table = LabelTable(taxonomy, [mapping])
    config = DatasetConfig(
        'camvid', '', 1, scale=(1.0, 1.0), removal=settings, augmentation=PLAIN, **more
    )
    labels = object_labels(mapping, taxonomy, settings.labels) if settings else ()
    return TrainingSet.load(config, dataset, table, removed=labels), table


def crops(training_set: TrainingSet, count: int = 60) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images (H, W, 3) and label sets of the first samples of a run."""
    samples = MixedSamples([training_set], CROP, count, 0, seed=3)
    return [
        (image.numpy().transpose(1, 2, 0), ids.numpy())
        for image, ids, _ in (samples[index] for index in range(count))
    ]


def missing(ids: np.ndarray) -> tuple[str, ...]:
    """Return which of the street's objects have lost their labels."""
    whole = street().label_ids
    places = {'large': np.s_[20:40, 10:40], 'small': np.s_[60:64, 80:90]}
    places['person'] = np.s_[20:36, 100:105]
    return tuple(n for n, at in places.items() if not np.array_equal(ids[at], whole[at]))


@pytest.mark.parametrize('share', [0.0, 0.4, 1.0])
def test_objects_go_from_a_share_of_the_crops(share: float) -> None:
    training_set, _ = loaded(Streets(street()), RemovalConfig(share=share))
    changed = sum(bool(missing(ids)) for _, ids in crops(training_set))
    assert abs(changed / 60 - share) < (0.2 if 0 < share < 1 else 1e-9)


def test_without_the_setting_samples_are_those_of_before() -> None:
    plain, _ = loaded(Streets(street()), None)
    assert plain.removal is None
    none, _ = loaded(Streets(street()), RemovalConfig(share=0.0))
    for (image, ids), (other, others) in zip(crops(plain, 5), crops(none, 5), strict=True):
        assert np.array_equal(image, other) and np.array_equal(ids, others)


def test_inpainted_pixels_are_unlabeled_with_their_margin_and_all_others_are_kept() -> None:
    training_set, _ = loaded(Streets(street()), RemovalConfig(share=1.0))
    whole = street()
    seen = Counter()
    for image, ids in crops(training_set, 30):
        gone = ids == IGNORED
        seen[missing(ids)] += 1
        assert np.array_equal(ids[~gone], whole.label_ids[~gone])
        assert np.array_equal(image[~gone], whole.image[~gone])
        # Nothing of the object's colour is left: the road fills its place.
        assert np.abs(image[gone].astype(int) - ROAD * 20).max() <= 60
        for label_id, name in ((CAR, 'large'), (PEDESTRIAN, 'person')):
            if name in missing(ids):
                assert gone[whole.label_ids == label_id].all()
                assert gone.sum() > (whole.label_ids == label_id).sum()
    # All objects of one label at a time.
    assert set(seen) == {('large', 'small'), ('person',)}


def test_one_object_or_rather_a_small_one_goes() -> None:
    single, _ = loaded(Streets(street()), RemovalConfig(share=1.0, objects='one'))
    one = Counter(missing(ids) for _, ids in crops(single))
    assert set(one) == {('large',), ('small',), ('person',)}
    rather_small, _ = loaded(Streets(street()), RemovalConfig(share=1.0, objects='small'))
    small = Counter(missing(ids) for _, ids in crops(rather_small))
    assert small[('small',)] > 2 * small[('large',)]


def test_large_objects_and_other_labels_stay() -> None:
    settings = RemovalConfig(share=1.0, largest=0.02)
    training_set, _ = loaded(Streets(street()), settings)
    assert {missing(ids) for _, ids in crops(training_set, 20)} == {('person',)}
    training_set, _ = loaded(Streets(street()), replace(settings, labels=('Car',)))
    assert {missing(ids) for _, ids in crops(training_set, 20)} == {()}


def test_a_crop_around_a_box_keeps_all() -> None:
    sample = replace(street(), boxes=(Box(0, 0, 127, 95, CAR),))
    training_set, _ = loaded(Streets(sample), RemovalConfig(share=1.0), box_centred=1.0)
    assert {missing(ids) for _, ids in crops(training_set, 10)} == {()}


def test_scenes_that_can_be_are_drawn_again_with_true_labels() -> None:
    dataset = RedrawnStreets(street())
    training_set, _ = loaded(dataset, RemovalConfig(share=0.5, largest=0.3))
    for image, ids in crops(training_set, 40):
        assert (ids != IGNORED).all()
        gone = missing(ids)
        assert gone in {(), ('large', 'small'), ('person',)}
        if gone:
            assert (ids[image[..., 0] == 1] == ROAD).all() and (image[..., 0] == 1).any()
    assert set(dataset.asked) == {CAR, PEDESTRIAN} and 8 < len(dataset.asked) < 32
    inpainted, _ = loaded(dataset, RemovalConfig(share=1.0, redraw=False))
    assert any((ids == IGNORED).any() for _, ids in crops(inpainted, 5))


def test_a_sample_depends_on_its_number_alone() -> None:
    training_set, _ = loaded(Streets(street()), RemovalConfig(share=0.5))
    samples = MixedSamples([training_set], CROP, 8, 0, seed=3)
    forwards = [samples[index] for index in range(8)]
    for index in reversed(range(8)):
        image, ids, _ = samples[index]
        assert image.equal(forwards[index][0]) and ids.equal(forwards[index][1])


def test_what_cannot_be_drawn_again_as_asked_for_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="removal.objects 'one' or second labels; expected 'all'"
    ):
        loaded(RedrawnStreets(street()), RemovalConfig(objects='one'))
    loaded(RedrawnStreets(street()), RemovalConfig(objects='one', redraw=False))


def test_narrowed_labels_are_objects_too() -> None:
    """A car that second labels say is a truck goes as well."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('camvid', taxonomy)
    second = load_mapping('cityscapes_trainids', taxonomy)
    table = LabelTable(taxonomy, [mapping], narrowings={'camvid': Narrowing(second)})
    narrowed = table.narrowed_label_sets('camvid')
    assert narrowed is not None
    car, truck = int(narrowed[CAR, 13]), int(narrowed[CAR, 14])
    assert car != truck
    ids = np.full(SIZE, ROAD, np.int16)
    ids[30:40, 30:50], ids[60:65, 30:50] = car, truck
    label = RemovableLabel(CAR, (CAR, car, truck))
    removal: ObjectRemoval[None] = ObjectRemoval(RemovalConfig(share=1.0), (label,))
    image = np.zeros((*SIZE, 3), np.uint8)
    _, left = removal.inpainted_crop(image, ids, np.random.default_rng(0))
    assert set(np.unique(left)) == {IGNORED, ROAD}


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'share': 1.5}, 'share is 1.5; expected a number of at most 1'),
        ({'objects': 'few'}, "objects is 'few'; expected one of 'all', 'one' or 'small'"),
        ({'method': 'lama'}, "method is 'lama'; expected one of"),
        ({'radius': 0.0}, 'radius is 0.0; expected a number above 0'),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RemovalConfig(**values)


def test_the_key_of_results_without_removal_is_that_of_before() -> None:
    """`hiseg experiment` resumes by it."""
    plain = DatasetConfig('camvid', 'x', 1)
    assert 'removal' not in repr(plain)
    assert repr(plain).startswith("DatasetConfig(kind='camvid', root='x', share=1, weight=1.0")
    assert repr(plain).endswith('from_epoch=0)')
    assert 'removal=RemovalConfig(share=0.4' in repr(replace(plain, removal=RemovalConfig()))
