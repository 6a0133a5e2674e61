# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches with fixed shares, each image once per pass, a sample a function of its number."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hiseg_ros.datasets.sample import Box
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.data.mirroring import NO_MIRROR
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.data.repeats import Repeats
from hiseg_ros.training.data.training_set import LabelledImage, TrainingSet
from hiseg_ros.training.data.transforms import SignCutout

CROP = (32, 32)


def training_set(
    kind: str, count: int, share: int, first_id: int, box: Box | None = None, **settings: object
) -> TrainingSet:
    """Return a dataset whose image n has the label set `first_id` + n everywhere."""
    config = DatasetConfig(kind, '', share, scale=(1.0, 1.0), **settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(first_id)
    entries = [
        LabelledImage(
            rng.integers(0, 256, (40, 50, 3), np.uint8),
            np.full((40, 50), first_id + n, np.int16),
            (box,) if box else (),
        )
        for n in range(count)
    ]
    mirror = np.arange(1000, dtype=np.int16) if config.flips else None
    return TrainingSet(config, entries, Repeats.none(count), mirror)


SIGN = SignCutout(np.full((30, 30, 3), 200, np.uint8), np.ones((30, 30), bool), 900)


def mixed(
    steps: int = 10, epoch: int = 0, seed: int = 1, with_signs: bool = False, from_epoch: int = 0
) -> MixedSamples:
    """Return an epoch of three datasets with shares 3, 2 and 1; the last may join later."""
    training_sets = [
        training_set('camvid', 7, 3, 0, pasted_signs=1.0, flips=True),
        training_set('gtsdb', 5, 2, 100, Box(5, 5, 15, 15, 1), box_centred=0.5),
        training_set('drawn', 4, 1, 200, from_epoch=from_epoch),
    ]
    return MixedSamples(training_sets, CROP, steps, epoch, seed, ((SIGN,),) if with_signs else ())


def image_of(samples: MixedSamples, index: int) -> int:
    """Return which image a sample shows, read from its labels."""
    return int(samples[index][1].max())


def same(first: MixedSamples, i: int, second: MixedSamples, j: int) -> bool:
    """Return whether two samples are equal bit by bit."""
    pairs = zip(first[i][:2], second[j][:2], strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and first[i][2] == second[j][2]


def test_a_sample_is_an_image_its_rows_and_its_data_set() -> None:
    """Shapes and types as the training step takes them."""
    image, label_set_ids, dataset = mixed()[0]
    assert image.shape == (3, *CROP)
    assert image.dtype == torch.uint8
    assert label_set_ids.shape == CROP
    assert label_set_ids.dtype == torch.int64
    assert dataset == 0


def test_every_batch_holds_the_configured_shares() -> None:
    """Three of the first, two of the second, one of the third, from the right images."""
    samples = mixed()
    assert samples.batch_size == 6
    assert len(samples) == 60
    for batch in range(10):
        datasets = [samples[6 * batch + slot][2] for slot in range(6)]
        assert datasets == [0, 0, 0, 1, 1, 2]
        images = [image_of(samples, 6 * batch + slot) // 100 for slot in range(6)]
        assert images == datasets


def test_each_image_is_shown_once_per_pass_in_a_new_order() -> None:
    """Over the run, not over the epoch: passes go on where an epoch ends."""
    shown: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for epoch in range(7):
        samples = mixed(steps=3, epoch=epoch)
        for index in range(len(samples)):
            shown[samples[index][2]].append(image_of(samples, index))
    for dataset, count in ((0, 7), (1, 5), (2, 4)):
        images = shown[dataset]
        passes = [images[i : i + count] for i in range(0, len(images) - count + 1, count)]
        assert len(passes) >= 5
        for one in passes:
            assert sorted(one) == [100 * dataset + n for n in range(count)]
        assert len({tuple(one) for one in passes}) > 1


def test_a_data_set_may_join_later_without_changing_the_shares_of_the_others() -> None:
    """Before its epoch the batch is smaller; in its first epoch it begins with a whole pass."""
    for epoch in (0, 1):
        early = mixed(steps=4, epoch=epoch, from_epoch=2)
        assert early.batch_size == 5
        assert [early[i][2] for i in range(len(early))] == [0, 0, 0, 1, 1] * 4
    joined = mixed(steps=4, epoch=2, from_epoch=2)
    assert [joined[i][2] for i in range(len(joined))] == [0, 0, 0, 1, 1, 2] * 4
    assert sorted(image_of(joined, i) for i in range(5, 24, 6)) == [200, 201, 202, 203]


def test_a_sample_depends_on_seed_epoch_and_number_alone() -> None:
    """Whatever was drawn before it, and in whichever order."""
    first, second = mixed(epoch=3, with_signs=True), mixed(epoch=3, with_signs=True)
    for index in (29, 3, 17, 0, 29):
        torch.rand(5)
        assert same(first, index, second, index)
    assert same(mixed(steps=4, with_signs=True), 17, mixed(steps=10, with_signs=True), 17)


def test_another_seed_or_number_gives_another_sample() -> None:
    """Nothing is repeated by mistake."""
    assert not same(mixed(seed=1), 0, mixed(seed=2), 0)
    assert not same(mixed(epoch=0), 0, mixed(epoch=1), 0)
    samples = mixed(steps=100)
    # The same image in a later pass is augmented differently.
    first = image_of(samples, 0)
    again = next(i for i in range(6, 600, 6) if image_of(samples, i) == first)
    assert not torch.equal(samples[0][0], samples[again][0])


@pytest.mark.parametrize('workers', [1, 2])
def test_worker_processes_do_not_change_the_samples(workers: int) -> None:
    """Batches are equal whether loaded in this process or in others, and in the same order."""
    samples = mixed(4, with_signs=True)
    alone = list(DataLoader(samples, samples.batch_size, num_workers=0))
    shared = list(DataLoader(samples, samples.batch_size, num_workers=workers))
    assert len(alone) == len(shared) == 4
    for first, second in zip(alone, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_only_data_sets_that_say_so_are_mirrored() -> None:
    """Half of their crops are."""
    left_right = np.tile(np.arange(50, dtype=np.int16), (40, 1))
    entry = LabelledImage(np.zeros((40, 50, 3), np.uint8), left_right)
    config = DatasetConfig('camvid', '', 1, scale=(1.0, 1.0))
    training_sets = [
        TrainingSet(config, [entry], Repeats.none(1), mirror)
        for mirror in (np.arange(50, dtype=np.int16), None)
    ]
    samples = MixedSamples(training_sets, CROP, 60, 0, 1)
    mirrored: Counter[int] = Counter()
    for index in range(120):
        _, label_set_ids, dataset = samples[index]
        steps = (label_set_ids[:, 1:] - label_set_ids[:, :-1]).unique().tolist()
        assert steps in ([1], [-1])
        mirrored[dataset] += steps == [-1]
    assert 18 < mirrored[0] < 42
    assert mirrored[1] == 0


def test_mirroring_swaps_directional_labels_and_spares_crops_that_have_no_mirror_image() -> None:
    """Label set 1 becomes label set 2, 3 has no mirror image; every crop shows the whole image."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255  # the right half is bright
    directional = np.zeros((32, 32), np.int16)
    directional[:, 16:] = 1
    digits = np.where(directional == 1, 3, 0).astype(np.int16)
    config = DatasetConfig(
        'gtsdb',
        '',
        1,
        scale=(1.0, 1.0),
        augmentation=AugmentationConfig(colour=0, blur=0, noise=0),
    )
    mirror = np.array([0, 2, 1, NO_MIRROR], np.int16)
    training_sets = [
        TrainingSet(config, [LabelledImage(image, label_set_ids)], Repeats.none(1), mirror)
        for label_set_ids in (directional, digits)
    ]
    samples = MixedSamples(training_sets, CROP, 60, 0, 1)
    mirrored: Counter[int] = Counter()
    for index in range(120):
        seen, label_set_ids, dataset = samples[index]
        is_mirrored = bool(seen[0, 0, 0] == 255)
        mirrored[dataset] += is_mirrored
        right = (2 if is_mirrored else 1) if dataset == 0 else 3
        assert (label_set_ids == torch.where(seen[0] == 255, right, 0)).all()
    assert 18 < mirrored[0] < 42
    assert mirrored[1] == 0


def test_signs_are_pasted_after_mirroring_only_where_configured() -> None:
    """About one sign per image of the first dataset, none in the others."""
    samples = mixed(30, with_signs=True)
    with_sign: Counter[int] = Counter()
    for index in range(180):
        _, label_set_ids, dataset = samples[index]
        with_sign[dataset] += bool((label_set_ids == 900).any())
    # A Poisson count of mean 1 is at least 1 in 63 % of 90 images.
    assert 43 < with_sign[0] < 70
    assert with_sign[1] == with_sign[2] == 0


def test_the_data_in_memory_is_not_changed_by_drawing_samples() -> None:
    """Pasting, mirroring and colours work on copies."""
    samples = mixed(with_signs=True)
    entries = [entry for s in samples.training_sets for entry in s.images]  # type: ignore[attr-defined]
    before = [(entry.image.copy(), entry.label_set_ids.copy()) for entry in entries]
    for index in range(60):
        samples[index]
    for entry, (image, label_set_ids) in zip(entries, before, strict=True):
        np.testing.assert_array_equal(entry.image, image)
        np.testing.assert_array_equal(entry.label_set_ids, label_set_ids)


def test_images_of_rare_labels_come_again_within_a_pass() -> None:
    """The factor 2.5 means two or three times, whatever the batches and epochs are."""
    factors = np.array([1.0, 2.5, 1.0, 1.5])
    one = training_set('gtsdb', 4, 2, 0)
    one = replace(one, repeats=replace(one.repeats, of_image=factors))
    shown: list[int] = []
    for epoch in range(10):
        samples = MixedSamples([one], CROP, 3, epoch, 1)
        shown += [image_of(samples, index) for index in range(len(samples))]
    passes = [Counter(shown[i : i + 6]) for i in range(0, 60, 6)]
    for counts in passes:
        assert counts[0] == counts[2] == 1
        assert counts[1] in (2, 3)
        assert counts[3] in (1, 2)
    assert {counts[1] for counts in passes} == {2, 3}


def test_a_crop_is_laid_around_a_rare_box_more_often() -> None:
    """Of two boxes in an image the one whose label is repeated nine times."""
    label_set_ids = np.zeros((40, 400), np.int16)
    label_set_ids[10:20, 50:60], label_set_ids[10:20, 340:350] = 1, 2
    boxes = (Box(50, 10, 59, 19, 1), Box(340, 10, 349, 19, 2))
    entry = LabelledImage(np.zeros((40, 400, 3), np.uint8), label_set_ids, boxes)
    of_label_id = np.ones(256)
    of_label_id[2] = 9
    config = DatasetConfig('gtsdb', '', 1, scale=(1.0, 1.0), box_centred=1.0)
    samples = MixedSamples(
        [TrainingSet(config, [entry], Repeats(np.ones(1), of_label_id))], CROP, 200, 0, 1
    )
    rare = sum(bool((samples[index][1] == 2).any()) for index in range(200))
    assert 165 < rare < 195


def test_crops_around_boxes_have_a_scale_of_their_own() -> None:
    """Native there, half the size elsewhere."""
    label_set_ids = np.zeros((400, 400), np.int16)
    label_set_ids[200:210, 200:210] = 1
    entry = LabelledImage(
        np.zeros((400, 400, 3), np.uint8), label_set_ids, (Box(200, 200, 209, 209, 1),)
    )
    config = DatasetConfig(
        'gtsdb', '', 1, scale=(0.25, 0.25), box_centred=1.0, box_scale=(1.0, 1.0)
    )
    one = TrainingSet(config, [entry], Repeats.none(1))
    samples = MixedSamples([one], CROP, 20, 0, 1)
    assert all(int((samples[index][1] == 1).sum()) == 100 for index in range(20))
    # Without a box the same image is shown small.
    one = TrainingSet(config, [replace(entry, boxes=())], Repeats.none(1))
    counts = [
        int((s[1] == 1).sum())
        for s in map(MixedSamples([one], CROP, 60, 0, 1).__getitem__, range(60))
    ]
    assert max(counts) <= 9


@pytest.mark.parametrize('size', [(64, 128), (128, 64), (300, 400), (40, 50)])
def test_a_scale_from_cover_fits_the_image_to_the_crop(size: tuple[int, int]) -> None:
    """As IV 2018 does: the whole shorter side is seen, and nothing is padded."""
    band = min(size) // 8
    label_set_ids = np.zeros(size, np.int16)
    across = label_set_ids if size[0] < size[1] else label_set_ids.T
    across[:band], across[-band:] = 1, 2
    config = DatasetConfig('camvid', '', 1, scale=(1.0, 1.0), scale_from='cover')
    one = TrainingSet(
        config, [LabelledImage(np.zeros((*size, 3), np.uint8), label_set_ids)], Repeats.none(1)
    )
    samples = MixedSamples([one], (64, 64), 5, 0, 1)
    for index in range(5):
        seen = samples[index][1] if size[0] < size[1] else samples[index][1].T
        assert (seen >= 0).all()
        assert (seen[:7] == 1).all()
        assert (seen[-7:] == 2).all()
        assert 13 <= int((seen[:, 0] > 0).sum()) <= 17
