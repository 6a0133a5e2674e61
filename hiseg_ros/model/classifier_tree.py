# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classifier heads: features to the probability of every leaf of the taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.layers import convolution
from hiseg_ros.taxonomy import Taxonomy


@dataclass(frozen=True)
class HeadOutput:
    """What a head says about a batch; losses read it."""

    leaf_probabilities: torch.Tensor
    """(N, L, h, w) float32; sums to 1 over L."""

    conditional_log_probabilities: tuple[torch.Tensor, ...] | None = None
    """One (N, K, h, w) float32 per classifier in the order of `Taxonomy.classifiers`: logarithms
    of each child's probability given its parent. None from a head without such classifiers."""

    edge_logits: torch.Tensor | None = None
    """(N, 1, h, w) logits of outlines of segments, from a decoder that predicts them."""

    node_logits: torch.Tensor | None = None
    """(N, V - 1, h, w) float32 logits of a score in (0, 1) for each node but the root, from a head
    that has one; the children of `Taxonomy.classifiers` side by side."""


def path_matrix(taxonomy: Taxonomy) -> torch.Tensor:
    """Return the (L, V - 1) float matrix of the steps from the root to each leaf.

    Column c stands for the conditional probability of one child given its parent, in the order
    in which `ConditionalHead` lays its classifiers side by side.
    """
    column_of_child = {
        child: column
        for column, child in enumerate(
            child for inner in taxonomy.classifiers for child in taxonomy.children(inner)
        )
    }
    matrix = np.zeros((len(taxonomy.leaves), len(column_of_child)), np.float32)
    for row, leaf in enumerate(taxonomy.leaves):
        for node in taxonomy.path(leaf)[1:]:
            matrix[row, column_of_child[node]] = 1.0
    return torch.from_numpy(matrix)


def _bottleneck(channels: int) -> nn.Module:
    """Return the residual branch of a classifier in IV 2018: 1x1, 3x3, 1x1."""
    return nn.Sequential(
        convolution(channels, channels),
        convolution(channels, channels, 3),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class ConditionalHead(nn.Module):
    """One softmax per inner node, each with a branch of its own.

    A leaf's probability is the product of the conditional probabilities along its path.
    """

    def __init__(self, taxonomy: Taxonomy, config: NetworkConfig) -> None:
        """Build one classifier per inner node."""
        super().__init__()
        self.counts = tuple(len(taxonomy.children(node)) for node in taxonomy.classifiers)
        self.pointwise = config.branch == 'pointwise'
        if self.pointwise:
            # The branches' 1x1 convolutions side by side are one wide convolution: same maths,
            # one launch.
            self.widths = tuple(
                max(config.branch_channels, (3 * count // 2 + 7) // 8 * 8) for count in self.counts
            )
            self.branch: nn.Module = convolution(config.channels, sum(self.widths))
        else:
            self.widths = tuple(config.channels for _ in self.counts)
            self.branch = nn.ModuleList(_bottleneck(config.channels) for _ in self.counts)
        self.logits = nn.ModuleList(
            nn.Conv2d(width, count, 1)
            for width, count in zip(self.widths, self.counts, strict=True)
        )
        self.register_buffer('paths', path_matrix(taxonomy), persistent=False)
        self.paths: torch.Tensor

    def conditional_logits(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Return one (N, K, h, w) of logits per classifier."""
        if self.pointwise:
            branches = list(self.branch(features).split(self.widths, dim=1))
        else:
            assert isinstance(self.branch, nn.ModuleList)
            branches = [torch.relu(features + branch(features)) for branch in self.branch]
        return [logits(x) for logits, x in zip(self.logits, branches, strict=True)]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return leaf probabilities (N, L, h, w) float32; they sum to 1 over L."""
        conditional = torch.cat(
            [logits.float().log_softmax(1) for logits in self.conditional_logits(features)], 1
        )
        return torch.einsum('lc,nchw->nlhw', self.paths, conditional).exp()

    def head_output(self, features: torch.Tensor) -> HeadOutput:
        """Return leaf probabilities and what they are products of.

        Under autocast the softmaxes and products are computed in float32, which `forward` leaves
        to its caller.
        """
        logits = self.conditional_logits(features)
        with torch.autocast(features.device.type, enabled=False):
            conditional = tuple(values.float().log_softmax(1) for values in logits)
            side_by_side = torch.cat(conditional, 1)
            leaves = torch.einsum('lc,nchw->nlhw', self.paths, side_by_side).exp()
        return HeadOutput(leaves, conditional)

    def node_slices(self) -> list[slice]:
        """Return the columns of each classifier in `paths`."""
        ends = list(accumulate(self.counts))
        return [slice(end - count, end) for end, count in zip(ends, self.counts, strict=True)]


class NodeHead(ConditionalHead):
    """A score of its own for every node, as in HSSN (Li et al., CVPR 2022).

    Scores are sigmoids. They become probabilities from the root down: a child's probability given
    its parent is its share of the scores of its siblings, so that what a node's score says stands
    also where labels teach nothing about its children.
    """

    def conditional_logits(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Return the logarithms of the scores, one (N, K, h, w) per classifier."""
        logits = super().conditional_logits(features)
        return [F.logsigmoid(values.float()) for values in logits]

    def head_output(self, features: torch.Tensor) -> HeadOutput:
        """Return leaf probabilities, what they are products of, and the logits of the scores."""
        logits = super().conditional_logits(features)
        with torch.autocast(features.device.type, enabled=False):
            side_by_side = torch.cat([values.float() for values in logits], 1)
            scores = torch.split(F.logsigmoid(side_by_side), list(self.counts), 1)
            conditional = tuple(values.log_softmax(1) for values in scores)
            leaves = torch.einsum('lc,nchw->nlhw', self.paths, torch.cat(conditional, 1)).exp()
        return HeadOutput(leaves, conditional, node_logits=side_by_side)


class LeafHead(nn.Module):
    """One softmax over all leaves."""

    def __init__(self, taxonomy: Taxonomy, config: NetworkConfig) -> None:
        """Build the classifier."""
        super().__init__()
        self.logits = nn.Conv2d(config.channels, len(taxonomy.leaves), 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return leaf probabilities (N, L, h, w) float32; they sum to 1 over L."""
        logits: torch.Tensor = self.logits(features)
        return logits.float().softmax(1)

    def head_output(self, features: torch.Tensor) -> HeadOutput:
        """Return leaf probabilities."""
        return HeadOutput(self(features))


class CutLeafHead(nn.Module):
    """One softmax over the leaves of a cut tree, and one over the leaves below each cut.

    A leaf below a cut has the probability of the cut's node times its own given that node. What is
    learned of such leaves moves nothing else, since their classifiers read channels of their own
    where the decoder has a second path.
    """

    def __init__(self, taxonomy: Taxonomy, config: NetworkConfig) -> None:
        """Build the classifiers.

        Raises:
            ConfigError: A node to cut at is unknown, a leaf, or lies below another one.
        """
        super().__init__()
        self.cuts = cut_nodes(taxonomy, config.cut_at)
        inside = {leaf: cut for cut in self.cuts for leaf in taxonomy.leaves_below(cut)}
        self.frontier = tuple(dict.fromkeys(inside.get(leaf, leaf) for leaf in taxonomy.leaves))
        """Nodes of the first softmax, in preorder."""
        self.split = config.channels - config.detail_channels
        self.logits = nn.Conv2d(self.split, len(self.frontier), 1)
        self.below = nn.ModuleList(
            nn.Conv2d(config.detail_channels or config.channels, len(leaves), 1)
            for leaves in map(taxonomy.leaves_below, self.cuts)
        )

    def divided(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the channels of the first softmax, and those of the classifiers below cuts."""
        detail = features[:, self.split :] if self.split < features.shape[1] else features
        return features[:, : self.split], detail

    def factors(
        self, street: torch.Tensor, detail: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return logits: (N, F, h, w) of the frontier, (N, K, h, w) of each cut's leaves.

        Args:
            street: Channels that the first softmax reads.
            detail: Channels that the classifiers below cuts read.
        """
        return self.logits(street), [below(detail) for below in self.below]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return leaf probabilities (N, L, h, w) float32; they sum to 1 over L."""
        frontier, below = self.factors(*self.divided(features))
        return joined(
            self.frontier,
            self.cuts,
            frontier.float().softmax(1),
            [logits.float().softmax(1) for logits in below],
        )

    def head_output(self, features: torch.Tensor) -> HeadOutput:
        """Return leaf probabilities."""
        return HeadOutput(self(features))


Head = ConditionalHead | LeafHead | CutLeafHead
"""Any head; a NodeHead is a ConditionalHead."""

_HEADS: dict[str, type[ConditionalHead] | type[LeafHead]] = {
    'conditional': ConditionalHead,
    'leaf': LeafHead,
    'nodes': NodeHead,
}


def build_head(taxonomy: Taxonomy, config: NetworkConfig) -> Head:
    """Return the head of a network with random weights.

    Raises:
        ConfigError: The tree cannot be cut where the network's is to be cut.
    """
    if config.cut_at:
        return CutLeafHead(taxonomy, config)
    return _HEADS[config.head](taxonomy, config)


def joined(
    frontier_nodes: Sequence[int],
    cuts: Sequence[int],
    frontier: torch.Tensor,
    below: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Return leaf probabilities (N, L, h, w) in preorder.

    Args:
        frontier_nodes: Node id of each channel of `frontier`, in preorder.
        cuts: Those of them that are no leaves, in preorder.
        frontier: (N, F, h, w) probabilities.
        below: (N, K, h, w) for each cut: probabilities of its leaves given its node.
    """
    parts, start = [], 0
    for cut, shares in zip(cuts, below, strict=True):
        place = frontier_nodes.index(cut)
        parts += [frontier[:, start:place], frontier[:, place : place + 1] * shares]
        start = place + 1
    return torch.cat([*parts, frontier[:, start:]], 1)


def cut_nodes(taxonomy: Taxonomy, names: Sequence[str]) -> tuple[int, ...]:
    """Return the node ids of names in preorder.

    Raises:
        ConfigError: One is unknown, the root, a leaf, or lies below another one.
    """
    unknown = [name for name in names if name not in taxonomy]
    nodes = sorted({taxonomy.node_id(name) for name in names if name not in unknown})
    nested = [node for node in nodes if set(taxonomy.path(node)[:-1]) & set(nodes)]
    wrong = unknown + [
        taxonomy.nodes[node].name
        for node in nodes
        if node in nested or node == 0 or taxonomy.is_leaf(node)
    ]
    if wrong:
        raise ConfigError(
            f'Network setting cut_at has {", ".join(map(repr, wrong))}; expected inner nodes of '
            f'taxonomy {taxonomy.name!r} below its root, none below another.'
        )
    return tuple(nodes)
