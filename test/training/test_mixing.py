# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches with fixed shares, each image once per pass, a sample a function of its number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hiseg_ros.errors import DatasetError
from hiseg_ros.training.config import DatasetConfig
from hiseg_ros.training.datasets.sample import Box, Sample
from hiseg_ros.training.mixing import MixedSamples, Source
from hiseg_ros.training.transforms import SignCutout

CROP = (32, 32)


def source(
    kind: str, count: int, share: int, first_row: int, box: Box | None = None, **settings: object
) -> Source:
    """Return a data set whose image n has label row `first_row` + n everywhere."""
    config = DatasetConfig(kind, '', share, scale=(1.0, 1.0), **settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(first_row)
    return Source(
        config,
        tuple(rng.integers(0, 256, (40, 50, 3), np.uint8) for _ in range(count)),
        tuple(np.full((40, 50), first_row + n, np.int16) for n in range(count)),
        tuple((box,) if box else () for _ in range(count)),
    )


SIGN = SignCutout(np.full((30, 30, 3), 200, np.uint8), np.ones((30, 30), bool), 900)


def mixed(
    steps: int = 10, epoch: int = 0, seed: int = 1, with_signs: bool = False, from_epoch: int = 0
) -> MixedSamples:
    """Return an epoch of three data sets with shares 3, 2 and 1; the last may join later."""
    sources = [
        source('camvid', 7, 3, 0, pasted_signs=1.0, flips=True),
        source('gtsdb', 5, 2, 100, Box(5, 5, 15, 15, 1), box_centred=0.5),
        source('drawn', 4, 1, 200, from_epoch=from_epoch),
    ]
    return MixedSamples(sources, CROP, steps, epoch, seed, ((SIGN,),) if with_signs else ())


def image_of(samples: MixedSamples, index: int) -> int:
    """Return which image a sample shows, read from its labels."""
    return int(samples[index][1].max())


def same(first: MixedSamples, i: int, second: MixedSamples, j: int) -> bool:
    """Return whether two samples are equal bit by bit."""
    pairs = zip(first[i][:2], second[j][:2], strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and first[i][2] == second[j][2]


def test_a_sample_is_an_image_its_rows_and_its_data_set() -> None:
    """Shapes and types as the training step takes them."""
    image, rows, dataset = mixed()[0]
    assert image.shape == (3, *CROP)
    assert image.dtype == torch.uint8
    assert rows.shape == CROP
    assert rows.dtype == torch.int64
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
    """Signs have a meaning that their mirror image lacks; half of the others are mirrored."""
    left_right = np.tile(np.arange(50, dtype=np.int16), (40, 1))
    sources = [
        Source(
            DatasetConfig('camvid', '', 1, scale=(1.0, 1.0), flips=flips),
            (np.zeros((40, 50, 3), np.uint8),), (left_right,), ((),),
        )
        for flips in (True, False)
    ]
    samples = MixedSamples(sources, CROP, 60, 0, 1)
    mirrored: Counter[int] = Counter()
    for index in range(120):
        _, rows, dataset = samples[index]
        steps = (rows[:, 1:] - rows[:, :-1]).unique().tolist()
        assert steps in ([1], [-1])
        mirrored[dataset] += steps == [-1]
    assert 18 < mirrored[0] < 42
    assert mirrored[1] == 0


def test_signs_are_pasted_after_mirroring_only_where_configured() -> None:
    """About one sign per image of the first data set, none in the others."""
    samples = mixed(30, with_signs=True)
    with_sign: Counter[int] = Counter()
    for index in range(180):
        _, rows, dataset = samples[index]
        with_sign[dataset] += bool((rows == 900).any())
    # A Poisson count of mean 1 is at least 1 in 63 % of 90 images.
    assert 43 < with_sign[0] < 70
    assert with_sign[1] == with_sign[2] == 0


def test_the_data_in_memory_is_not_changed_by_drawing_samples() -> None:
    """Pasting and colours work on copies."""
    samples = mixed(with_signs=True)
    before = [(image.copy(), rows.copy()) for s in samples.sources
              for image, rows in zip(s.images, s.rows, strict=True)]
    for index in range(60):
        samples[index]
    after = [pair for s in samples.sources for pair in zip(s.images, s.rows, strict=True)]
    for (image, rows), (same_image, same_rows) in zip(before, after, strict=True):
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(rows, same_rows)


class TwoSamples:
    """A data set of label ids 0 and 7."""

    mapping_name = 'test'

    def __len__(self) -> int:
        """Return 2."""
        return 2

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        image = np.zeros((4, 4, 3), np.uint8)
        return Sample(f'name{index}', image, np.full((4, 4), 7 * index, np.uint8))


def test_loading_turns_label_ids_into_rows() -> None:
    """By the table of the data set's mapping."""
    table = np.full(256, -2, np.int16)
    table[[0, 7]] = 30, -1
    loaded = Source.load(DatasetConfig('camvid', 'root', 1), TwoSamples(), table)
    assert [rows[0, 0] for rows in loaded.rows] == [30, -1]
    assert loaded.rows[0].dtype == np.int16
    assert len(loaded.images) == len(loaded.boxes) == 2


def test_a_label_id_that_the_mapping_lacks_is_an_error_not_unlabeled() -> None:
    """Another version of the data set must not pass for this one."""
    table = np.full(256, -2, np.int16)
    table[0] = 30
    with pytest.raises(DatasetError, match=r"name1 .* label ids \[7\]; .* mapping 'test'"):
        Source.load(DatasetConfig('camvid', 'root', 1), TwoSamples(), table)
