# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Adversarial adaptation: maps of the target are to look as those of the source do.

One optimiser takes both steps of AdaptSegNet at once. The gradient of the network comes from the
adversarial terms, in which the discriminators' weights are constants; that of the discriminators
from their own terms, in which the maps are constants.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.adaptation.auxiliary_head import AuxiliaryHead
from hiseg_ros.training.adaptation.class_maps import class_maps, class_matrix, self_information
from hiseg_ros.training.adaptation.discriminator import (
    GRID_STRIDES,
    PUBLISHED_STRIDES,
    SOURCE,
    TARGET,
    Discriminator,
    cells_left,
    domain_loss,
)
from hiseg_ros.training.adaptation.step import Seen, Step
from hiseg_ros.training.config.adaptation import AdaptationConfig
from hiseg_ros.types import ImageSize

COLLAPSED = 1e-3
"""Average loss of a discriminator below which it knows every domain with certainty: its gradient
says nothing any more."""

AVERAGED = 0.98
"""Share of the average that stays at each step; it falls from chance below COLLAPSED in 327."""


class CollapseError(ConfigError):
    """A discriminator tells the domains apart with certainty."""


class Adversarial(nn.Module):
    """Discriminators of one method, and the second head of multi-level adaptation."""

    def __init__(
        self,
        config: AdaptationConfig,
        network: HierarchicalNetwork,
        taxonomy: Taxonomy,
        classes: Mapping,
        crop: ImageSize,
    ) -> None:
        """Build discriminators with random weights.

        Args:
            config: Method and weights.
            network: To be adapted.
            taxonomy: Its tree.
            classes: Labels that discriminators see.
            crop: (height, width) of the images.

        Raises:
            ConfigError: Two classes share a leaf, maps are too small for a discriminator, or the
                decoder has no map to look at.
        """
        super().__init__()
        self.config, self.crop = config, crop
        self.strides = PUBLISHED_STRIDES if config.discriminator_sees == 'image' else GRID_STRIDES
        self._check_size(network.stride)
        self.register_buffer('matrix', class_matrix(classes, taxonomy), persistent=False)
        self.matrix: torch.Tensor
        channels = len(self.matrix)
        self.weights = {'main': config.loss_weight}
        """Adversarial weight by the name of a level."""
        self.auxiliary: AuxiliaryHead | None = None
        if config.method == 'feature':
            channels = network.config.channels
            if hasattr(network.decoder, 'with_edges'):
                raise ConfigError(
                    f'The method feature has the decoder {network.config.decoder!r}, whose map '
                    'is made together with outlines; expected another decoder, or the method '
                    'output.'
                )
        if config.method == 'multi_level':
            self.auxiliary = AuxiliaryHead(network, taxonomy)
            self.weights['auxiliary'] = config.loss_weight * config.auxiliary_share
        self.discriminators = nn.ModuleDict(
            {level: Discriminator(channels, self.strides) for level in self.weights}
        )
        # Chance, from which a discriminator starts.
        self.register_buffer('average', torch.full((len(self.weights),), math.log(2)))
        self.average: torch.Tensor

    def _check_size(self, stride: int) -> None:
        factor = 1 if self.config.discriminator_sees == 'image' else stride
        size = (self.crop[0] // factor, self.crop[1] // factor)
        if min(cells_left(size, self.strides)) < 1:
            raise ConfigError(
                f'The discriminator of {self.config.method} gets maps of {size[0]}x{size[1]} '
                f'cells, of which its convolutions leave none; expected larger ones: enlarge '
                'crop, or set discriminator_sees: image.'
            )

    def forward(self, step: Step) -> dict[str, torch.Tensor]:
        """Return the terms of a step by name, to be added to the loss of the source.

        Raises:
            CollapseError: A discriminator tells the domains apart with certainty.
        """
        is_active = step.optimizer_step >= self.config.from_step
        learns = is_active and self.config.loss_weight > 0
        terms: dict[str, torch.Tensor] = {}
        coarse = self._coarse(step.source)
        if coarse is not None and self.config.auxiliary_weight:
            terms['auxiliary_loss'] = self.config.auxiliary_weight * step.teach(coarse)
        with torch.set_grad_enabled(learns):
            seen = step.look(step.target_images)
            target = self._maps(seen, self._coarse(seen))
        with torch.no_grad():
            source = self._maps(step.source, coarse)
        for place, level in enumerate(self.weights):
            discriminator = self.discriminators[level]
            assert isinstance(discriminator, Discriminator)
            if learns:
                fooled = domain_loss(discriminator.frozen(target[level]), SOURCE)
                terms[f'adversarial_{level}'] = self.weights[level] * fooled
            of_source = domain_loss(discriminator(source[level].detach()), SOURCE)
            of_target = domain_loss(discriminator(target[level].detach()), TARGET)
            terms[f'discriminator_{level}'] = (of_source + of_target) / 2
            self._watch(place, level, terms[f'discriminator_{level}'], step)
        return terms

    def _coarse(self, seen: Seen) -> HeadOutput | None:
        """Return what the second head says, None without one."""
        if self.auxiliary is None:
            return None
        output: HeadOutput = self.auxiliary(seen.maps.stages)
        return output

    def _maps(self, seen: Seen, coarse: HeadOutput | None) -> dict[str, torch.Tensor]:
        """Return what each level's discriminator sees."""
        if self.config.method == 'feature':
            assert seen.maps.decoded is not None
            return {'main': self._sized(seen.maps.decoded.float())}
        leaves = seen.output.leaf_probabilities
        maps = {'main': class_maps(leaves, self.matrix)}
        if coarse is not None:
            smaller = class_maps(coarse.leaf_probabilities, self.matrix)
            maps['auxiliary'] = resize(smaller, leaves.shape[2:])
        if self.config.method == 'entropy':
            maps = {level: self_information(one) for level, one in maps.items()}
        return {level: self._sized(one) for level, one in maps.items()}

    def _sized(self, maps: torch.Tensor) -> torch.Tensor:
        return resize(maps, self.crop) if self.config.discriminator_sees == 'image' else maps

    def _watch(self, place: int, level: str, loss: torch.Tensor, step: Step) -> None:
        """Follow the average loss of a discriminator.

        Raises:
            CollapseError: It is below COLLAPSED.
        """
        if not bool(loss.detach().isfinite()):
            return  # the sum of all terms is checked, and stops the run
        self.average[place] *= AVERAGED
        self.average[place] += (1 - AVERAGED) * loss.detach()
        if float(self.average[place]) < COLLAPSED and step.optimizer_step >= self.config.from_step:
            raise CollapseError(
                f'The discriminator {level} of {self.config.method} tells source and target apart '
                f'with certainty at step {step.optimizer_step} (average loss '
                f'{float(self.average[place]):.2g}) and has nothing more to teach; expected an '
                'average loss of 0.1 to 0.7: lower discriminator_learning_rate, raise weight or '
                'take another method.'
            )

    def network_parameters(self) -> list[nn.Parameter]:
        """Return parameters that learn with the network."""
        return [] if self.auxiliary is None else list(self.auxiliary.parameters())

    def discriminator_parameters(self) -> list[nn.Parameter]:
        """Return parameters that learn at the discriminators' own rate."""
        return list(self.discriminators.parameters())
