# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lightning module: training step, optimiser and validation."""

from __future__ import annotations

import re
from typing import Any

import lightning
import torch
from torch.nn.utils import clip_grad_norm_

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
from hiseg_ros.training.adaptation.adversarial import Adversarial
from hiseg_ros.training.adaptation.build import build_adaptation
from hiseg_ros.training.adaptation.class_mix import ClassMix
from hiseg_ros.training.adaptation.step import Seen, Step, recorded_maps
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.data_module import ValidationItem
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.distributed import sum_over_processes
from hiseg_ros.training.losses import build_loss
from hiseg_ros.training.losses.edges import EdgeLoss
from hiseg_ros.training.losses.points import draw_points, output_at
from hiseg_ros.training.losses.teacher_loss import TeacherLoss
from hiseg_ros.training.run.adapted import add_adaptation, norm_shares
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
        classes: Mapping | None = None,
    ) -> None:
        """Build the network with random weights.

        Args:
            config: Settings of the run.
            taxonomy: The tree.
            table: Label sets of all datasets.
            validation_mapping: Labels of the validation; None without one.
            teacher: Gives soft labels; None for none.
            classes: Labels that adaptation to a target sees; needed where it learns from it.

        Raises:
            ConfigError: The network cannot be built.
        """
        super().__init__()
        self.config = config
        self.taxonomy = taxonomy
        self.network = HierarchicalNetwork(config.network, taxonomy)
        if config.dataset_norm:
            add_dataset_norms(self.network, norm_shares(config))
        freeze_parts(self.network, config)
        self.network.to(memory_format=torch.channels_last)
        self.adaptation: Adversarial | ClassMix | None = None
        if classes is not None:
            self.adaptation = build_adaptation(config, self.network, taxonomy, table, classes)
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
        is_target = dataset_index == len(self.config.datasets)
        of_target = images[is_target]
        if len(of_target):  # they follow the others
            count = len(images) - len(of_target)
            images, targets = images[:count], targets[:count]
            dataset_index = dataset_index[:count]
        inputs = self.config.preprocessing.normalize(images)
        with recorded_maps(self.network) as maps:
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
        if self.adaptation is not None:
            source = (images, targets, dataset_index)
            loss = loss + self._adaptation_terms(source, Seen(output, maps), of_target, batch_idx)
        self._check_finite(loss, dataset_index)
        self.log('loss', loss, prog_bar=True, sync_dist=True)
        return loss

    def _adaptation_terms(
        self, source: Batch, seen: Seen, of_target: torch.Tensor, batch_idx: int
    ) -> torch.Tensor:
        """Return the sum of the terms of the adaptation, which are logged by name.

        Args:
            source: Images, targets and datasets of the source's part of the batch.
            seen: What the network computed of it.
            of_target: (T, 3, H, W) uint8 images of the target.
            batch_idx: Number of the batch in the epoch.
        """
        assert self.adaptation is not None
        images, targets, dataset_index = source

        def teach(output: HeadOutput) -> torch.Tensor:
            loss: torch.Tensor = self.loss(output, targets, dataset_index, self.dataset_weights)
            return loss

        step = Step(
            number=self.trainer.fit_loop.epoch_loop.total_batch_idx,
            optimizer_step=self.global_step,
            is_first_batch=batch_idx % self.config.accumulate_batches == 0,
            seed=self.config.seed,
            network=self.network,
            source_images=images,
            source_labels=targets,
            source=seen,
            target_images=of_target,
            look=self._look,
            teach=teach,
            look_with=self._look_with,
        )
        terms: dict[str, torch.Tensor] = self.adaptation(step)
        self.log_dict({name: value.detach() for name, value in terms.items()})
        return (
            torch.stack(list(terms.values())).sum()
            if terms
            else images.new_zeros((), dtype=torch.float32)
        )

    def _look(self, images: torch.Tensor) -> Seen:
        """Pass (T, 3, H, W) uint8 images of the target through the network.

        They have a forward pass of their own: images of the source are normed without them.
        """
        inputs = self._target_inputs(images)
        with dataset_norms_for(self.network, self._target_index(images)):
            with recorded_maps(self.network) as maps:
                output = self.network.head_output(inputs)
        return Seen(output, maps)

    def _look_with(self, network: HierarchicalNetwork, images: torch.Tensor) -> torch.Tensor:
        """Return leaf probabilities of another network for images of the target."""
        with dataset_norms_for(network, self._target_index(images)):
            return network.head_output(self._target_inputs(images)).leaf_probabilities

    def _target_inputs(self, images: torch.Tensor) -> torch.Tensor:
        inputs = self.config.preprocessing.normalize(images)
        return inputs.contiguous(memory_format=torch.channels_last)

    def _target_index(self, images: torch.Tensor) -> torch.Tensor:
        """Return (T,) the target's place behind those of the datasets."""
        return torch.full((len(images),), len(self.config.datasets), device=images.device)

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
            f'rate {max(rates):.3g}, precision {self.trainer.precision}); expected a finite '
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
        return self.config.norm_owners.index(name) if name else None

    def finished_networks(self) -> dict[str, HierarchicalNetwork]:
        """Return the networks to write, by file name without its ending.

        The first is the result of the run. With `dataset_norm`, a network with the statistics of
        each dataset follows, for use where the camera is like that of the dataset.
        """
        name = self.config.name
        if not self.config.dataset_norm:
            return {name: self.network}
        networks = {name: remove_dataset_norms(self.network, self._exported_norm)}
        for index, dataset in enumerate(self.config.norm_owners):
            suffix = re.sub(r'[^\w-]', '_', dataset)
            networks[f'{name}.{suffix}'] = remove_dataset_norms(self.network, index)
        return networks

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule, which advances with each optimiser step."""
        optimizer = build_optimizer(self.network, self.config)
        rates = add_adaptation(optimizer, self.adaptation, self.config)
        scheduler = build_schedule(optimizer, self.config, rates)
        return {
            'optimizer': optimizer,
            'lr_scheduler': {'scheduler': scheduler, 'interval': 'step'},
        }

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip discriminators apart from the network, or their norm would scale its gradient."""
        apart = [] if self.adaptation is None else self.adaptation.discriminator_parameters()
        if not apart or not gradient_clip_val:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        ids = {id(parameter) for parameter in apart}
        every = [one for group in optimizer.param_groups for one in group['params']]
        clip_grad_norm_([one for one in every if id(one) not in ids], gradient_clip_val)
        clip_grad_norm_(apart, gradient_clip_val)
