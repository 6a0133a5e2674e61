# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lightning module: training step, optimiser and validation."""

from __future__ import annotations

import re
from typing import Any

import lightning
import torch

from hiseg_ros.decision import decide
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.model.dataset_norm import (
    add_dataset_norms,
    dataset_norms_for,
    remove_dataset_norms,
)
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.data_module import ValidationItem
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.distributed import sum_over_processes
from hiseg_ros.training.losses import build_loss
from hiseg_ros.training.losses.edges import EdgeLoss
from hiseg_ros.training.losses.points import draw_points, output_at
from hiseg_ros.training.losses.teacher_loss import TeacherLoss
from hiseg_ros.training.run.optimization import (
    build_optimizer,
    build_schedule,
    freeze_norm_statistics,
    freeze_parts,
)
from hiseg_ros.training.run.teacher import Teacher

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class SegmentationModule(lightning.LightningModule):
    """A network with its loss, optimiser and validation."""

    def __init__(
        self,
        config: TrainingConfig,
        taxonomy: Taxonomy,
        table: LabelTable,
        validation_mapping: Mapping | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """Build the network with random weights.

        Raises:
            ConfigError: The network cannot be built.
        """
        super().__init__()
        self.config = config
        self.taxonomy = taxonomy
        self.network = HierarchicalNetwork(config.network, taxonomy)
        if config.dataset_norm:
            add_dataset_norms(self.network, [item.share for item in config.datasets.values()])
        freeze_parts(self.network, config)
        self.network.to(memory_format=torch.channels_last)
        self.loss = build_loss(config.loss, table, taxonomy, config.network.head)
        self.edge_loss = EdgeLoss(config.loss, table) if config.loss.has_edges else None
        self.teacher_loss: TeacherLoss | None = None
        if teacher is not None:
            factors = [item.teacher_weight for item in config.datasets.values()]
            self.teacher_loss = TeacherLoss(table, teacher.mapping, taxonomy, factors)
        # In a tuple it is no part of the module: neither averaged nor written with it.
        self._teacher = (teacher,)
        weights = torch.tensor([dataset.weight for dataset in config.datasets.values()])
        self.register_buffer('dataset_weights', weights, persistent=False)
        self.dataset_weights: torch.Tensor
        self.validation_mapping = validation_mapping
        self._confusion: Confusion | None = None

    def on_fit_start(self) -> None:
        """Check the shares against the number of processes.

        Raises:
            ConfigError: A process would see no image of a dataset that has its own statistics.
        """
        least = min(item.share for item in self.config.datasets.values())
        if self.config.dataset_norm and least < self.trainer.world_size:
            raise ConfigError(
                f'The smallest share of a dataset is {least} for {self.trainer.world_size} '
                'processes with dataset_norm; expected an image of each dataset for each '
                'process: raise the shares or turn dataset_norm off.'
            )

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, targets, dataset_index = batch
        inputs = self.config.preprocessing.normalize(images)
        output, learnt, learnt_targets = self._outputs(inputs, targets, dataset_index)
        loss: torch.Tensor = self.loss(learnt, learnt_targets, dataset_index, self.dataset_weights)
        if self.edge_loss is not None:
            terms = self.edge_loss(output, targets, dataset_index, self.dataset_weights)
            self.log_dict(terms, sync_dist=True)
            loss = loss + torch.stack(list(terms.values())).sum()
        if self.teacher_loss is not None:
            taught = self._taught(inputs, output, targets, dataset_index)
            self.log('teacher_loss', taught, sync_dist=True)
            loss = loss + taught
        self._check_finite(loss, dataset_index)
        self.log('loss', loss, prog_bar=True, sync_dist=True)
        return loss

    def _outputs(
        self, inputs: torch.Tensor, targets: torch.Tensor, dataset_index: torch.Tensor
    ) -> tuple[HeadOutput, HeadOutput, torch.Tensor]:
        """Return what the network says, and what the loss learns from: that or its points.

        Args:
            inputs: (N, 3, H, W) normalised.
            targets: (N, H, W) integer label set ids; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.

        Returns:
            The output; the part that the loss reads, and its targets.
        """
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        count, network = self.config.loss.points, self.network
        points = draw_points(targets, count, self.config.loss.points_drawn) if count else None
        with dataset_norms_for(network, dataset_index):
            if points is None:
                output = network.head_output(inputs)
                return output, output, targets
            if network.reads_points:
                output = network.output_at(inputs, points.places)
                return output, output, points.targets
            output = network.head_output(inputs)
        return output, output_at(output, points.places), points.targets

    def _taught(
        self,
        inputs: torch.Tensor,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
    ) -> torch.Tensor:
        """Return the weighted loss against the teacher."""
        (teacher,) = self._teacher
        assert teacher is not None and self.teacher_loss is not None
        assert self.config.teacher is not None
        asked = inputs[self.teacher_loss.teaches(dataset_index)]
        loss: torch.Tensor = self.teacher_loss(
            output.leaf_probabilities,
            teacher.logits(asked.contiguous(memory_format=torch.channels_last)),
            targets,
            dataset_index,
            self.dataset_weights,
        )
        return self.config.teacher.weight * loss

    def on_train_epoch_start(self) -> None:
        """Keep the statistics of frozen norms; Lightning has put everything in training mode."""
        freeze_norm_statistics(self.network, self.config.frozen_norms)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed torch by the number of the batch, so that a resumed run draws the same numbers."""
        number = self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(hash((self.config.seed, number, self.global_rank)))

    def _check_finite(self, loss: torch.Tensor, dataset_index: torch.Tensor) -> None:
        """Stop before a loss that is not finite reaches the weights, in all processes at once.

        Raises:
            ConfigError: It is not finite.
        """
        # All processes must know what one of them finds: the others would wait for it forever.
        if bool(sum_over_processes((~loss.detach().isfinite()).float()) == 0):
            return
        names = list(self.config.datasets)
        counts = torch.bincount(dataset_index, minlength=len(names)).tolist()
        images = ', '.join(f'{n} {name}' for name, n in zip(names, counts, strict=True) if n)
        rates = [group['lr'] for group in self.trainer.optimizers[0].param_groups]
        raise ConfigError(
            f'The loss of step {self.global_step} is {loss.item()} (images: {images}; learning '
            f'rate {max(rates):.3g}, precision {self.config.precision}); expected a finite '
            'number: lower learning_rate, lengthen warmup_steps or take precision 32-true, and '
            'start again. The last checkpoint is untouched.'
        )

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        if self.validation_mapping is not None:
            self._confusion = Confusion(self.validation_mapping)

    def validation_step(self, batch: ValidationItem, batch_idx: int) -> dict[str, Any]:
        """Count the pixels of an image at its own size; return the image and predicted labels."""
        assert self._confusion is not None
        assert self.validation_mapping is not None
        image, label_ids = (tensor.cpu().numpy() for tensor in batch[:2])
        inputs = self.config.preprocessing.prepare(image, self.device)
        # Not `forward`, which under autocast multiplies in half precision.
        with dataset_norms_for(self.network, self._exported_norm):
            probabilities = self.network.head_output(inputs).leaf_probabilities
        with torch.autocast(self.device.type, enabled=False):
            nodes = self.network.node_probabilities(probabilities)[0]
        labels = decide(nodes, self.taxonomy, (image.shape[0], image.shape[1]))[0].cpu().numpy()
        if batch[2]:
            predicted = label_ids_of_nodes(labels, self.validation_mapping, self.taxonomy)
            self._confusion.add(label_ids, predicted)
        return {'image': image, 'labels': labels}

    def on_validation_epoch_end(self) -> None:
        """Log mIoU and every IoU, in [0, 1]."""
        assert self._confusion is not None
        counts = torch.from_numpy(self._confusion.counts).to(self.device)
        self._confusion.counts = sum_over_processes(counts).cpu().numpy()
        summary = self._confusion.summary()
        self.log('val_miou', float(str(summary['miou'])), prog_bar=True)
        ious = summary['iou']
        assert isinstance(ious, dict)
        self.log_dict({f'val_iou/{name}': float(v) for name, v in ious.items() if v is not None})

    @property
    def _exported_norm(self) -> int | None:
        """The dataset whose norm statistics the written network has; None for all of them."""
        name = self.config.exported_norm
        return list(self.config.datasets).index(name) if name else None

    def finished_networks(self) -> dict[str, HierarchicalNetwork]:
        """Return the networks to write, by file name without its ending.

        The first is the result of the run. With `dataset_norm`, a network with the statistics of
        each dataset follows, for use where the camera is like that of the dataset.
        """
        name = self.config.name
        if not self.config.dataset_norm:
            return {name: self.network}
        networks = {name: remove_dataset_norms(self.network, self._exported_norm)}
        for index, dataset in enumerate(self.config.datasets):
            suffix = re.sub(r'[^\w-]', '_', dataset)
            networks[f'{name}.{suffix}'] = remove_dataset_norms(self.network, index)
        return networks

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule, which advances with each optimiser step."""
        optimizer = build_optimizer(self.network, self.config)
        scheduler = build_schedule(optimizer, self.config)
        return {
            'optimizer': optimizer,
            'lr_scheduler': {'scheduler': scheduler, 'interval': 'step'},
        }
