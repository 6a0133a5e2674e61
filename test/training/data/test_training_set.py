# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Datasets in memory and read on demand: the same images, the same checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiseg_ros.datasets.sample import Box, Sample
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.taxonomy.mirror import load_mirror_images
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.data import training_set as training_set_module
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.data.training_set import TrainingSet

STREET = load_taxonomy('street')
CONFIG = DatasetConfig('gtsdb', 'root', 1, scale=(0.9, 1.1))


class FewSigns:
    """A dataset of 8 images; number n shows type n % 3, and number 5 type 31 as well."""

    mapping_name = 'gtsdb'

    def __init__(self, mixtures: Mapping[int, float] | None = None) -> None:
        self.reads: list[int] = []
        self.shares = mixtures
        self.strange_id = 43

    def __len__(self) -> int:
        """Return 8."""
        return 8

    def __getitem__(self, index: int) -> Sample:
        """Return a sample, and remember that it was asked for."""
        self.reads.append(index)
        rng = np.random.default_rng(index)
        label_ids = np.full((40, 50), self.strange_id if index == 6 else 43, np.uint8)
        label_ids[5:15, 5:15] = index % 3
        label_ids[0] = 255
        boxes = [Box(5, 5, 14, 14, index % 3)]
        if index == 5:
            boxes.append(Box(20, 20, 29, 29, 31))
        mixtures = {}
        if self.shares and index != 6:
            label_ids[30:] = 200
            mixtures = {200: self.shares}
        image = rng.integers(0, 256, (40, 50, 3), np.uint8)
        return Sample(f'{index:05d}', image, label_ids, tuple(boxes), mixtures)


def table() -> LabelTable:
    """Return the label table of CamVid and GTSDB: label ids differ from ids of label sets."""
    return LabelTable(STREET, [load_mapping(name, STREET) for name in ('camvid', 'gtsdb')])


def loaded(
    dataset: FewSigns, label_table: LabelTable | None = None, **settings: object
) -> TrainingSet:
    """Return the dataset as a training_set."""
    config = replace(CONFIG, **settings)  # type: ignore[arg-type]
    return TrainingSet.load(config, dataset, label_table or table())


@pytest.mark.parametrize('in_memory', [True, False])
def test_label_ids_become_label_sets(in_memory: bool) -> None:
    """By the table of the dataset's mapping, with the boxes as they are."""
    label_table = table()
    own = label_table.label_set_of_label_id('gtsdb')
    training_set = loaded(FewSigns(), label_table, in_memory=in_memory)
    assert len(training_set.images) == 8
    for index in range(8):
        sample, entry = FewSigns()[index], training_set.images[index]
        np.testing.assert_array_equal(entry.label_set_ids, own[sample.label_ids])
        np.testing.assert_array_equal(entry.image, sample.image)
        assert entry.label_set_ids.dtype == np.int16
        assert entry.label_set_ids[0, 0] == -1
        assert entry.boxes == sample.boxes
    assert training_set.mirror is None
    assert (training_set.repeats.of_image == 1).all()


@pytest.mark.parametrize('threshold', [0.0, 0.5])
def test_samples_are_the_same_in_memory_and_on_demand(threshold: float) -> None:
    """Bit by bit, in every order."""
    settings = {'repeat_threshold': threshold, 'box_centred': 0.5}
    training_sets = [loaded(FewSigns(), in_memory=kept, **settings) for kept in (True, False)]
    kept, read = (
        MixedSamples([training_set], (32, 32), 12, 0, 1) for training_set in training_sets
    )
    for index in (3, 11, 0, 7, 3):
        for first, second in zip(kept[index], read[index], strict=True):
            assert torch.equal(torch.as_tensor(first), torch.as_tensor(second))


def test_images_in_memory_are_read_once_and_others_when_they_are_shown() -> None:
    in_memory, on_demand = FewSigns(), FewSigns()
    kept = loaded(in_memory, in_memory=True)
    read = loaded(on_demand, in_memory=False)
    assert sorted(in_memory.reads) == [0, *range(8)], 'once each, after a look at the first'
    assert on_demand.reads == [0]
    for training_set in (kept, read):
        for index in (4, 4, 2):
            training_set.images[index]
    assert len(in_memory.reads) == 9
    assert on_demand.reads == [0, 4, 4, 2]


@pytest.mark.parametrize('limit', [8 * 40 * 50 * 5, 8 * 40 * 50 * 5 - 1])
def test_a_data_set_is_kept_in_memory_up_to_the_documented_size(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Three bytes of colour and two of label set a pixel, times the number of images."""
    monkeypatch.setattr(training_set_module, 'LARGEST_IN_MEMORY', limit)
    dataset = FewSigns()
    loaded(dataset)
    assert (len(dataset.reads) == 9) == (limit == 8 * 40 * 50 * 5)
    assert training_set_module.LARGEST_IN_MEMORY == limit


@pytest.mark.parametrize('in_memory', [True, False])
def test_a_label_id_that_the_mapping_lacks_is_an_error_not_unlabeled(in_memory: bool) -> None:
    """Another version of the dataset must not pass for this one; the file and id are named."""
    dataset = FewSigns()
    dataset.strange_id = 77
    with pytest.raises(
        DatasetError, match=r"00006 .* root has the label ids \[77\]; .* mapping 'gtsdb'"
    ):
        training_set = loaded(dataset, in_memory=in_memory)
        training_set.images[6]


@pytest.mark.parametrize('in_memory', [True, False])
def test_rare_labels_of_pixels_and_boxes_repeat_their_images(in_memory: bool) -> None:
    """Type 31 has only a box, in one of eight images; types 0 to 2 are in 3, 3 and 2."""
    training_set = loaded(FewSigns(), in_memory=in_memory, repeat_threshold=0.5)
    common, seldom, rare = (0.5 / (n / 8) for n in (3, 2, 1))
    factors = [common, common, seldom, common, common, rare, common, common]
    np.testing.assert_allclose(training_set.repeats.of_image, np.sqrt(factors))
    assert training_set.repeats.of_label_id[31] == 2.0
    assert training_set.repeats.of_label_id[43] == 1.0


@pytest.mark.parametrize('in_memory', [True, False])
def test_mixtures_of_labels_become_label_sets_before_training(in_memory: bool) -> None:
    label_table = table()
    training_set = loaded(FewSigns({3: 0.25, 4: 0.75}), label_table, in_memory=in_memory)
    mixture = len(label_table.allowed) - 1
    assert mixture == label_table.label_count
    assert label_table.add_mixture('gtsdb', {4: 0.75, 3: 0.25}) == mixture, 'it was known already'
    for index in range(8):
        entry = training_set.images[index]
        assert (entry.label_set_ids[30:] == mixture).all() == (index != 6)
        assert (entry.label_set_ids[1:30] < mixture).all()


class KnownMixtures(FewSigns):
    """The same dataset, which says its mixtures without reading an image."""

    def mixtures(self, index: int) -> Mapping[int, Mapping[int, float]]:
        """Return those of one image."""
        return {200: self.shares} if self.shares and index != 6 else {}


def test_mixtures_that_are_known_need_no_reading_beforehand() -> None:
    label_table, dataset = table(), KnownMixtures({3: 0.25, 4: 0.75})
    training_set = loaded(dataset, label_table, in_memory=False)
    assert dataset.reads == [0]
    assert len(label_table.allowed) == label_table.label_count + 1
    assert (training_set.images[7].label_set_ids[30:] == label_table.label_count).all()
    assert dataset.reads == [0, 7]


def test_a_mixture_that_comes_up_during_training_is_refused() -> None:
    """Losses do not know it."""
    dataset = FewSigns()
    training_set = loaded(dataset, in_memory=False)
    dataset.shares = {3: 0.25, 4: 0.75}
    with pytest.raises(DatasetError, match='00002 .* set in_memory to true'):
        training_set.images[2]


def test_flips_need_the_mirror_images_and_get_the_label_sets_of_their_own_mapping() -> None:
    with pytest.raises(ConfigError, match='gtsdb in root has flips, but nothing says'):
        loaded(FewSigns(), flips=True)
    label_table = table()
    mirror_of_leaf = load_mirror_images('traffic_signs', STREET)
    training_set = TrainingSet.load(
        replace(CONFIG, flips=True), FewSigns(), label_table, mirror_of_leaf
    )
    own = label_table.label_set_of_label_id('gtsdb')
    assert training_set.mirror is not None
    assert training_set.mirror[own[19]] == own[20]
    assert training_set.mirror[own[43]] == own[43]
    assert training_set.mirror[own[1]] < -1
    # Other datasets of the run need not be flipped.
    assert TrainingSet.load(CONFIG, FewSigns(), label_table, mirror_of_leaf).mirror is None
