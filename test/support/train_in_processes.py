# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A short training run for test_distributed.py, in as many processes as it is started in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch

from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.recipe import OptimizerConfig
from hiseg_ros.training.run import train as run_module
from hiseg_ros.training.run.module import SegmentationModule
from hiseg_ros.training.run.run_folder import last_checkpoint

SEEN: dict[str, torch.Tensor] = {}


class ObservedModule(SegmentationModule):
    """Keeps gradients; its normalisation layers do not learn, so that batches may be divided."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Build the network with its normalisation layers in evaluation mode."""
        super().__init__(*args, **options)
        for layer in self.network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.eval()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Remember the gradients of the first step."""
        if self.global_step == 0:
            for name, parameter in self.network.named_parameters():
                if parameter.grad is not None:
                    SEEN[f'gradient {name}'] = parameter.grad.clone()


def draw(root: Path, count: int, seed: int) -> Path:
    """Write noise with label blocks, of which each image has another share unlabeled."""
    rng = np.random.default_rng(seed)
    for split in ('train', 'val'):
        lines = []
        for index in range(count):
            labels = np.kron(rng.integers(0, 11, (4, 4)), np.ones((16, 16))).astype(np.uint8)
            labels[: int(rng.integers(0, 60))] = 11
            names = [f'images/{split}/{index}.png', f'labels/{split}/{index}.png']
            image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
            for name, array in zip(names, (image, labels), strict=True):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), array)
            lines.append(' '.join(names))
        (root / f'{split}.txt').write_text('\n'.join(lines) + '\n')
    return root


def main(out: Path) -> dict[str, torch.Tensor]:
    """Train three steps, let the first process write what it saw, and return that."""
    rank = os.environ.get('RANK', '0')
    common = {'label_weights': {'Car': 3.0, 'Sky': 0.2}}
    datasets = {
        name: DatasetConfig('camvid', str(draw(out / f'{name}{rank}', 5, seed)), share, **common)
        for seed, (name, share) in enumerate((('many', 3), ('one', 1)))
    }
    config = TrainingConfig(
        name='small',
        taxonomy='street',
        datasets=datasets,
        network=NetworkConfig(
            'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
        ),
        crop=(64, 64),
        steps=3,
        steps_per_epoch=3,
        warmup_steps=1,
        learning_rate=0.05,
        optimizer=OptimizerConfig('sgd'),
        workers=0,
        validation_every_epochs=1,
    )
    run_dir = out / 'run'
    with mock.patch.object(run_module, 'SegmentationModule', ObservedModule):
        run_module.train(config, run_dir, accelerator='cpu')
    if rank == '0':
        state = torch.load(last_checkpoint(run_dir), weights_only=True)
        SEEN.update(state['current_model_state'])
        rows = (run_dir / 'metrics.csv').read_text().splitlines()
        names = rows[0].split(',')
        for number, row in enumerate(rows[1:]):
            for name, cell in zip(names, row.split(','), strict=True):
                if cell and not name.startswith(('images_per_s', 'lr-')):
                    SEEN[f'{name} {number}'] = torch.tensor(float(cell))
        torch.save(SEEN, out / 'seen.pt')
    return SEEN


if __name__ == '__main__':
    main(Path(sys.argv[1]))
