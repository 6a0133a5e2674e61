# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The training step, the schedule and the validation, as Lightning runs them."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch

from hiseg_ros.decision import decide
from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.config import TrainingConfig
from hiseg_ros.training.label_table import LabelTable
from hiseg_ros.training.losses import SetLoss

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class SegmentationModule(lightning.LightningModule):
    """A network with its loss, optimiser and validation."""

    def __init__(
        self,
        config: TrainingConfig,
        taxonomy: Taxonomy,
        table: LabelTable,
        validation_mapping: Mapping | None = None,
    ) -> None:
        """Build the network with random weights.

        Raises:
            ConfigError: The network cannot be built.
        """
        super().__init__()
        self.config = config
        self.taxonomy = taxonomy
        self.network = HierarchicalNetwork(config.network, taxonomy)
        self.network.to(memory_format=torch.channels_last)
        self.loss = SetLoss(table)
        weights = torch.tensor([dataset.weight for dataset in config.datasets.values()])
        self.register_buffer('dataset_weights', weights, persistent=False)
        self.dataset_weights: torch.Tensor
        self.validation_mapping = validation_mapping
        self._confusion: Confusion | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, targets, dataset_index = batch
        inputs = self.config.preprocessing.normalize(images)
        probabilities = self.network(inputs.contiguous(memory_format=torch.channels_last))
        loss: torch.Tensor = self.loss(
            probabilities, targets, dataset_index, self.dataset_weights
        )
        self.log('loss', loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        if self.validation_mapping is not None:
            self._confusion = Confusion(self.validation_mapping)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        """Count the pixels of a whole image at its own size."""
        assert self._confusion is not None
        assert self.validation_mapping is not None
        image, label_ids = (tensor.cpu().numpy() for tensor in batch)
        inputs = self.config.preprocessing.prepare(image, self.device)
        nodes = self.network.node_probabilities(self.network(inputs))[0]
        labels, _ = decide(nodes, self.taxonomy, (image.shape[0], image.shape[1]))
        predicted = label_ids_of_nodes(
            labels.cpu().numpy(), self.validation_mapping, self.taxonomy
        )
        self._confusion.add(label_ids, predicted)

    def on_validation_epoch_end(self) -> None:
        """Log mIoU and every IoU, in [0, 1]."""
        assert self._confusion is not None
        summary = self._confusion.summary()
        self.log('val_miou', float(str(summary['miou'])), prog_bar=True)
        ious = summary['iou']
        assert isinstance(ious, dict)
        self.log_dict({f'val_iou/{name}': float(v) for name, v in ious.items() if v is not None})

    def configure_optimizers(self) -> Any:
        """Return AdamW, norms and biases without decay, warm-up then half a cosine to zero."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        groups: list[dict[str, Any]] = []
        for name, part in self.network.named_children():
            part_rate = rate * (self.config.backbone_learning_rate if name == 'backbone' else 1.0)
            for is_decayed in (True, False):
                parameters = [p for p in part.parameters() if (p.ndim > 1) == is_decayed]
                groups.append(
                    {
                        'params': parameters,
                        'lr': part_rate,
                        'weight_decay': decay if is_decayed else 0.0,
                    }
                )
        optimizer = torch.optim.AdamW(groups, lr=rate)
        warmup, steps = self.config.warmup_steps, self.config.steps

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = min(1.0, (step - warmup) / max(1, steps - warmup))
            return 0.5 * (1 + math.cos(math.pi * progress))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            'optimizer': optimizer,
            'lr_scheduler': {'scheduler': scheduler, 'interval': 'step'},
        }
