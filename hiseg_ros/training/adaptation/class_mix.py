# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""ClassMix with a slow teacher: things of the source pasted into images of the target.

Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, after
Olsson et al., "ClassMix", WACV 2021. The target's part of a mixed image has the labels of a
teacher, which is the average of the network over the last steps.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.training.adaptation.pseudo_labels import ClassLabels, NodeLabels
from hiseg_ros.training.adaptation.step import Step
from hiseg_ros.training.config.adaptation import AdaptationConfig
from hiseg_ros.training.data.augmentation import random_colors
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.losses.set_loss import set_nll

MIX_STREAM = 2
"""Last part of the seed of the draws of a mixture."""


class ClassMix(nn.Module):
    """The slow teacher, and the loss of mixed images."""

    def __init__(
        self,
        config: AdaptationConfig,
        network: HierarchicalNetwork,
        table: LabelTable,
        labels: ClassLabels | NodeLabels,
    ) -> None:
        """Begin with a copy of a network as the teacher.

        Args:
            config: Weight, decay, and the look of mixed images.
            network: To be adapted.
            table: Label sets of the source.
            labels: Makes pseudo labels of probabilities.
        """
        super().__init__()
        self.config, self.labels = config, labels
        self.teacher = copy.deepcopy(network).requires_grad_(False).eval()
        allowed = torch.cat([table.allowed, labels.allowed])
        self.register_buffer('allowed', allowed, persistent=False)
        self.allowed: torch.Tensor
        self.source_rows = len(table.allowed)

    def forward(self, step: Step) -> dict[str, torch.Tensor]:
        """Return the terms of a step by name, to be added to the loss of the source."""
        if step.is_first_batch:
            self.follow(step.network, step.optimizer_step)
        if step.optimizer_step < self.config.from_step or not self.config.loss_weight:
            return {}
        images, rows, weights = self.mixed(step)
        leaves = step.look(images).output.leaf_probabilities
        with torch.autocast(leaves.device.type, enabled=False):
            losses = [
                (weight * set_nll(one.float(), labels, self.allowed)).mean()
                for one, labels, weight in zip(leaves.unbind(), rows, weights, strict=True)
            ]
        loss = torch.stack(losses).mean()
        return {'mixed_loss': self.config.loss_weight * loss}

    @torch.no_grad()
    def follow(self, network: HierarchicalNetwork, step: int) -> None:
        """Move the teacher towards a network, norm statistics included.

        Args:
            network: The network as it is now.
            step: Optimiser steps that were done; in the first ones the teacher forgets faster,
                and at 0 it is the network.
        """
        kept = min(self.config.teacher_decay, 1 - 1 / (step + 1))
        theirs = network.state_dict(keep_vars=True)
        for name, own in self.teacher.state_dict(keep_vars=True).items():
            value = theirs[name].detach()
            if own.is_floating_point():
                own.data.mul_(kept).add_(value.to(own.device), alpha=1 - kept)
            else:
                own.data.copy_(value)

    @torch.no_grad()
    def mixed(self, step: Step) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mixed images of a step with their labels.

        Returns:
            (T, 3, H, W) uint8; (T, H, W) int64 rows of `allowed`, -1 = no label; and (T, H, W)
            weights in [0, 1].
        """
        size = (step.target_images.shape[2], step.target_images.shape[3])
        self.teacher.eval()  # the trainer has put all parts in training mode
        pseudo = self.labels(step.look_with(self.teacher, step.target_images), size)
        of_target = torch.where(pseudo.rows < 0, IGNORED, pseudo.rows + self.source_rows)
        images, rows, weights = [], [], []
        rng = np.random.default_rng((step.seed, step.number, MIX_STREAM))
        # Colours are drawn by torch: its generator goes on as if nothing had been drawn.
        with torch.random.fork_rng(devices=[]):
            for place, target in enumerate(step.target_images):
                pair = place % len(step.source_images)
                labels = step.source_labels[pair].long()
                is_pasted = half_of_the_classes(labels, rng)
                mix = torch.where(is_pasted, step.source_images[pair], target)
                as_image = mix.permute(1, 2, 0).cpu().numpy()
                augmented = random_colors(as_image, rng, self.config.target.augmentation)
                images.append(augmented.to(target.device))
                rows.append(torch.where(is_pasted, labels, of_target[place]))
                weights.append(torch.where(is_pasted, 1.0, pseudo.weight))
        return torch.stack(images), torch.stack(rows), torch.stack(weights)

    def network_parameters(self) -> list[nn.Parameter]:
        """Return parameters that learn with the network: none."""
        return []

    def discriminator_parameters(self) -> list[nn.Parameter]:
        """Return parameters that learn at a discriminator's rate: none."""
        return []


def half_of_the_classes(labels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return (H, W) bool: the pixels of half of the labels that occur, rounded up, at random.

    Args:
        labels: (H, W) int64; -1 = unlabeled, which is never taken.
        rng: Random generator.
    """
    present = np.unique(labels.cpu().numpy())
    present = present[present >= 0]
    chosen = rng.permutation(present)[: (len(present) + 1) // 2]
    return torch.isin(labels, torch.from_numpy(chosen).to(labels.device))
