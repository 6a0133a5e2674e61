# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Second labels: a pixel means what both of its labels allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import random_labels
from random_trees import random_tree
from small_runs import CAR, TREE, draw_camvid, small_config

from hiseg_ros.datasets.sample import read_label_ids
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.taxonomy import Mapping, load_mapping, load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig, SecondLabelsConfig
from hiseg_ros.training.config.experiment import (
    TrainingConfig,
    ValidationConfig,
    load_training_config,
)
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.data.label_table import LabelTable, Narrowing
from hiseg_ros.training.run.train import train

STREET = load_taxonomy('street')
ROAD_ID, VEGETATION_ID, TERRAIN_ID, TRUCK_ID, SIGN_ID = 7, 21, 22, 27, 20
OUTSIDE = 43


def leaves(table: LabelTable, set_id: int) -> set[str]:
    """Return the names of the leaves that a label set has."""
    return {STREET.nodes[STREET.leaves[i]].name for i in table.allowed[set_id].nonzero()[:, 0]}


def street_table(first: str, weight: float = 1.0) -> LabelTable:
    """Return the table of a mapping narrowed by Cityscapes."""
    narrowing = Narrowing(load_mapping('cityscapes', STREET), weight)
    return LabelTable(STREET, [load_mapping(first, STREET)], None, {first: narrowing})


def test_a_car_of_camvid_that_is_a_truck_of_cityscapes_is_a_truck() -> None:
    """The intersection; where there is none, or the second is unlabeled, the first holds."""
    table = street_table('camvid')
    label_sets = table.narrowed_label_sets('camvid')
    assert label_sets is not None
    own = table.label_set_of_label_id('camvid')
    assert leaves(table, label_sets[CAR, TRUCK_ID]) == {'Truck', 'Other Vehicle'}
    assert label_sets[CAR, VEGETATION_ID] == label_sets[CAR, 255] == own[CAR]
    assert (label_sets[11, [CAR, TRUCK_ID, 255]] == -1).all()
    assert (label_sets[:, 200] == -2).all()


def test_outside_all_boxes_a_sign_is_none_of_the_types() -> None:
    """What the boxes rule out stays ruled out, and a type is never narrowed or contradicted."""
    table = street_table('gtsdb', 2.0)
    label_sets = table.narrowed_label_sets('gtsdb')
    assert label_sets is not None
    assert leaves(table, label_sets[OUTSIDE, SIGN_ID]) == {'other sign'}
    for type_id in range(43):
        assert (label_sets[type_id, [ROAD_ID, SIGN_ID, 255]] == label_sets[type_id, 255]).all()
    assert table.weights[label_sets[OUTSIDE, ROAD_ID]] == 2
    assert table.weights[label_sets[OUTSIDE, 255]] == 1
    assert not table.from_boxes[label_sets[OUTSIDE, ROAD_ID]]
    assert table.from_boxes[label_sets[OUTSIDE, 255]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_pair_of_labels_means_what_both_allow(seed: int) -> None:
    """Against Python's sets, on random trees; weights are those of the first label."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    first = Mapping('first', random_labels(rng, taxonomy, 4), (255,))
    second = Mapping('second', random_labels(rng, taxonomy, 5), (255,))
    weights = {label.name: float(rng.uniform(0.1, 2)) for label in first.labels}
    table = LabelTable(
        taxonomy, [second, first], {'first': weights}, {'first': Narrowing(second, 3.0)}
    )
    label_sets = table.narrowed_label_sets('first')
    assert label_sets is not None
    for a in first.labels:
        for b in second.labels:
            both = set(a.leaves) & set(b.leaves) or set(a.leaves)
            set_id = int(label_sets[a.label_id, b.label_id])
            allowed = {taxonomy.leaves[i] for i in table.allowed[set_id].nonzero()[:, 0]}
            factor = 1.0 if both == set(a.leaves) else 3.0
            assert allowed == both
            assert float(table.weights[set_id]) == pytest.approx(weights[a.name] * factor)
    assert table.label_count == len(table.allowed) == len(table.from_boxes)


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    """Return a run whose trees are vegetation or terrain on the left or right of each image."""
    camvid = draw_camvid(tmp_path / 'camvid')
    (tmp_path / 'second').mkdir()
    for index in range(12):
        label_ids = np.full((64, 64), 255, np.uint8)
        label_ids[:, :32], label_ids[:, 32:] = VEGETATION_ID, TERRAIN_ID
        cv2.imwrite(str(tmp_path / f'second/{index}_cityscapes.png'), label_ids)
    run = small_config(camvid)
    second = SecondLabelsConfig('second', 'cityscapes')
    dataset = replace(run.datasets['camvid'], root='camvid', second_labels=second)
    return replace(run, datasets={'camvid': dataset}).with_paths(tmp_path)


def test_a_run_reads_second_labels_beside_its_images(config: TrainingConfig) -> None:
    """Folders are taken against that of the data; every label has a mirror image."""
    data = MixedData(config, STREET)
    image, source = data.training_sets[0].images[3], data.training_sets[0]
    own = data.table.label_set_of_label_id('camvid')
    narrowed = data.table.narrowed_label_sets('camvid')
    assert narrowed is not None
    label_ids = read_label_ids(Path(config.datasets['camvid'].root) / 'labels/train/3.png')
    left, right = (narrowed[TREE, second] for second in (VEGETATION_ID, TERRAIN_ID))
    assert leaves(data.table, left) == {'Vegetation'}
    assert leaves(data.table, right) == {'Terrain'}
    tree = label_ids == TREE
    assert (image.label_set_ids[:, :32][tree[:, :32]] == left).all()
    assert (image.label_set_ids[:, 32:][tree[:, 32:]] == right).all()
    np.testing.assert_array_equal(image.label_set_ids[label_ids == CAR], own[CAR])
    assert source.mirror is not None
    assert (source.mirror[np.unique(image.label_set_ids[image.label_set_ids >= 0])] >= 0).all()


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (lambda path: path.unlink(), ['is missing', 'hiseg predict']),
        (lambda path: cv2.imwrite(str(path), np.zeros((8, 8), np.uint8)), ['(8, 8)', '(64, 64)']),
        (lambda path: cv2.imwrite(str(path), np.full((64, 64), 99, np.uint8)), ['99']),
    ],
)
def test_a_wrong_second_label_image_stops_the_run(
    config: TrainingConfig, damage: object, words: list[str]
) -> None:
    """Before training, by the name of its file."""
    second = config.datasets['camvid'].second_labels
    assert second is not None
    path = Path(second.root) / '7_cityscapes.png'
    damage(path)  # type: ignore[operator]
    with pytest.raises(DatasetError) as caught:
        MixedData(config, STREET)
    assert all(word in str(caught.value) for word in [str(path), *words])


@pytest.mark.filterwarnings('ignore')
def test_a_run_learns_from_second_labels_and_its_card_names_them(
    config: TrainingConfig, tmp_path: Path
) -> None:
    """Where they come from stands in the weights, their folder does not."""
    second = SecondLabelsConfig('second', 'cityscapes', source='drawn by hand')
    one = replace(config.datasets['camvid'], root='camvid', second_labels=second)
    short = replace(
        config, datasets={'camvid': one}, steps=2, validation=ValidationConfig('')
    ).with_paths(tmp_path)
    weights = train(short, tmp_path / 'run', accelerator='cpu')
    (training_set,) = load_checkpoint(weights).card['training_sets']
    assert training_set['second_labels'] == {'mapping': 'cityscapes', 'source': 'drawn by hand'}


def test_data_sets_of_one_kind_share_their_second_labels(config: TrainingConfig) -> None:
    """Label sets are those of a mapping: two ways to narrow it cannot be told apart."""
    one = config.datasets['camvid']
    other = replace(one, second_labels=None)
    with pytest.raises(ConfigError, match='second labels'):
        MixedData(replace(config, datasets={'one': one, 'other': other}), STREET)
    moved = replace(one, second_labels=replace(one.second_labels, root=one.second_labels.root))
    MixedData(replace(config, datasets={'one': one, 'other': moved}), STREET)


def test_settings_are_read_from_an_experiment(tmp_path: Path) -> None:
    """A negative weight is refused with the place where it stands."""
    path = tmp_path / 'run.yaml'
    text = (
        'name: run\ntaxonomy: street\nnetwork: {backbone: efficientnet_lite0}\nwarmup_steps: 1\n'
        'datasets:\n  one: {kind: camvid, root: r, share: 1, second_labels: '
        '{root: s, mapping: cityscapes, weight: WEIGHT}}\n'
    )
    path.write_text(text.replace('WEIGHT', '0.5'))
    dataset = load_training_config(path).with_paths(Path('data')).datasets['one']
    assert isinstance(dataset, DatasetConfig)
    assert dataset.second_labels == SecondLabelsConfig('data/s', 'cityscapes', 0.5)
    path.write_text(text.replace('WEIGHT', '-1.0'))
    with pytest.raises(ConfigError, match=r'second_labels.*weight'):
        load_training_config(path)
