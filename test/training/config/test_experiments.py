# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The shipped experiments: each network builds and learns from a batch, and debug trains."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_runs import draw_camvid
from torch.utils.data import default_collate

from hiseg_ros.datasets import open_dataset
from hiseg_ros.datasets.drawn_export import write_drawn_scenes
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.dataset import SecondLabelsConfig
from hiseg_ros.training.config.experiment import load_training_config
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.run.module import SegmentationModule

pytestmark = pytest.mark.filterwarnings('ignore')

EXPERIMENTS = sorted(
    path.stem
    for path in config_path('experiments').glob('*.yaml')
    if not path.stem.startswith('classical_')  # these have no network
)
SIZE = (64, 96)


@pytest.fixture(scope='module')
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a kind of dataset to a small folder of it."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            if kind == 'camvid':
                draw_camvid(made[kind])
            elif kind == 'unlabelled':
                cv2.imwrite(str(made[kind] / 'a.png'), np.full((96, 160, 3), 90, np.uint8))
            elif kind == 'carla_boxes':
                (made[kind] / 'train').mkdir()
                cv2.imwrite(str(made[kind] / 'train/a.png'), np.full((96, 160, 3), 90, np.uint8))
                lines = 'split,image,class,xmin,ymin,xmax,ymax\ntrain,a,vehicle,20,20,90,80\n'
                (made[kind] / 'boxes.csv').write_text(lines)
            elif kind != 'drawn':
                write_drawn_scenes(kind, made[kind], 4, (96, 160), seed=3, split='train')
        return made[kind]

    return folder


def write_second_labels(dataset: SegmentationDataset, second: SecondLabelsConfig) -> None:
    """Write Cityscapes labels for all images: sky above road."""
    assert second.mapping == 'cityscapes'
    Path(second.root).mkdir()
    for index in range(len(dataset)):
        sample = dataset[index]
        label_ids = np.full(sample.label_ids.shape, 23, np.uint8)
        label_ids[len(label_ids) // 2 :] = 7
        cv2.imwrite(str(Path(second.root) / f'{sample.name}_cityscapes.png'), label_ids)


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_an_experiment_learns_from_one_batch(
    name: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """Its own network, loss, augmentation and dataset kinds; small images, random weights."""
    config = load_training_config(name)
    datasets, share = {}, 2 if len(config.datasets) == 1 else 1
    for key, item in config.datasets.items():
        options = {**item.options}
        if item.kind == 'drawn':
            options |= {'count': 2, 'size': [96, 192], 'processes': 1}
        if item.kind == 'camvid':
            options.pop('without_drives', None)
        item = replace(item, root=str(folder_of(item.kind)), share=share, options=options)
        second = item.second_labels
        if second is not None:
            second = replace(second, root=str(tmp_path / key))
            write_second_labels(open_dataset(item.kind, item.root, options), second)
        datasets[key] = replace(item, from_epoch=0, second_labels=second)
    config = replace(
        config,
        datasets=datasets,
        crop=SIZE,
        backbone_weights='',
        initial_weights='',
        validation=None if config.validation is None else replace(config.validation, dataset=''),
    )
    taxonomy = load_taxonomy(config.taxonomy)
    data = MixedData(config, taxonomy)
    module = SegmentationModule(config, taxonomy, data.table, data.validation_mapping)
    loader = data.train_dataloader()
    parts = next(iter(loader.batch_sampler))
    images, targets, dataset_index = default_collate([loader.dataset[index] for index in parts])
    assert images.shape == (share * len(datasets), 3, *SIZE)
    assert sorted(set(dataset_index.tolist())) == list(range(len(datasets)))
    settings = module.configure_optimizers()
    optimizer = settings['optimizer']
    before = [parameter.clone() for parameter in module.network.head.parameters()]
    output = module.network.head_output(config.preprocessing.normalize(images))
    loss = module.loss(output, targets, dataset_index, module.dataset_weights)
    loss.backward()
    optimizer.step()
    assert float(loss) > 0.1
    changed = [
        not torch.equal(old, new)
        for old, new in zip(before, module.network.head.parameters(), strict=True)
    ]
    assert any(changed)
    assert all(bool(parameter.isfinite().all()) for parameter in module.parameters())


def test_the_debug_experiment_improves_through_the_real_command(debug_run: Path) -> None:
    """`hiseg train debug` draws its data, trains, and what it measures on other scenes rises."""
    run_dir = debug_run / 'runs' / 'debug'
    assert 'weights: runs/debug/debug.safetensors' in (debug_run / 'said.txt').read_text()
    with (run_dir / 'metrics.csv').open() as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> list[float]:
        return [float(row[name]) for row in rows if row.get(name)]

    miou, road, loss = column('val_miou'), column('val_iou/Road'), column('loss')
    assert miou[-1] > 1.4 * miou[0] > 0
    assert road[-1] > max(0.5, road[0])
    assert column('val_iou/Sky')[-1] > 0.5
    assert loss[-1] < loss[0]
