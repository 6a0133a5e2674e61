# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The network in the form that is exported: uint8 images in, probability of every node out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from torch import nn

from hiseg_ros.inference.exported_graph import LARGEST_LOGIT
from hiseg_ros.model.classifier_tree import ConditionalHead, CutLeafHead, LeafHead, NodeHead
from hiseg_ros.model.decoders.build import PathsDecoder, decoded, decoded_paths
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy

ROOT = 0
"""Node id of the root."""

PACKS = 4
"""Number of convolutions into which the pointwise branches are packed. One would multiply mostly
zeros, one per classifier would be too narrow for vector units; 3 to 6 were equally fast."""


class ExportedNetwork(nn.Module):
    """Normalisation, network and node probabilities, in operations that are fast in runtimes.

    The results are those of `HierarchicalNetwork` and `node_probabilities` up to rounding. A
    node's probability is computed as its parent's times a conditional probability, from the root
    down: there is no matrix over all leaves, and only elementwise operations follow the last
    convolution. Runtimes that compute convolutions in bfloat16 leave these in float32, so a parent
    remains the sum of its children.
    """

    def __init__(
        self, network: HierarchicalNetwork, taxonomy: Taxonomy, preprocessing: Preprocessing
    ) -> None:
        """Share the network's parameters; it must be in float32 and evaluation mode."""
        super().__init__()
        self.backbone = network.backbone
        self.decoder = network.decoder
        self.head: nn.Module
        if isinstance(network.head, LeafHead):
            self.head = LeafNodes(network.head, taxonomy)
        elif isinstance(network.head, CutLeafHead):
            self.head = CutLeafNodes(network.head, taxonomy)
        else:
            assert isinstance(network.head, ConditionalHead)
            self.head = ConditionalNodes(network.head, taxonomy)
        mean, std = (
            torch.tensor(values) * 255 for values in (preprocessing.mean, preprocessing.std)
        )
        self.register_buffer('mean', mean)
        self.register_buffer('scale', 1 / std)
        self.mean: torch.Tensor
        self.scale: torch.Tensor

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """Return node probabilities.

        Args:
            rgb: (N, h, w, 3) uint8; h and w multiples of 32.

        Returns:
            (N, V, h / stride, w / stride) float32.
        """
        images = ((rgb.float() - self.mean) * self.scale).permute(0, 3, 1, 2)
        nodes: torch.Tensor
        if isinstance(self.head, CutLeafNodes) and isinstance(self.decoder, PathsDecoder):
            # Joined, the streets' convolution would depend on the path of the types.
            nodes = self.head(*decoded_paths(self.backbone, self.decoder, images))
        else:
            nodes = self.head(decoded(self.backbone, self.decoder, images))
        return nodes


class ConditionalNodes(nn.Module):
    """A conditional head that returns all nodes instead of leaves."""

    def __init__(self, head: ConditionalHead, taxonomy: Taxonomy) -> None:
        """Copy the head's weights into fewer and wider convolutions."""
        super().__init__()
        self.taxonomy = taxonomy
        # Scores are sigmoids, which are not free to move together as the logits of a softmax are.
        self.has_scores = isinstance(head, NodeHead)
        logits = [
            cast(nn.Conv2d, one) if self.has_scores else _centred(one) for one in head.logits
        ]
        if head.pointwise:
            packs = _packs(head.widths, PACKS)
            self.counts = [[head.counts[i] for i in pack] for pack in packs]
            self.branches = nn.ModuleList(_branches(head, packs))
            self.logits = nn.ModuleList(_side_by_side([logits[i] for i in pack]) for pack in packs)
        else:
            self.counts = [[count] for count in head.counts]
            self.branches = nn.ModuleList(_Bottleneck(branch) for branch in _modules(head.branch))
            self.logits = nn.ModuleList(logits)
        # Preorder: an earlier classifier has computed the probability of this one's node.
        order = [ROOT]
        for parent in taxonomy.classifiers:
            order += taxonomy.children(parent)
        self.register_buffer('order', torch.tensor(order).argsort())
        self.order: torch.Tensor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, V, h, w)."""
        logits: list[torch.Tensor] = []
        for branch, convolution, counts in zip(
            self.branches, self.logits, self.counts, strict=True
        ):
            logits += convolution(branch(features)).split(counts, dim=1)
        root = torch.ones_like(logits[0][:, :1])
        of_node, in_order = {ROOT: root}, [root]
        for parent, values in zip(self.taxonomy.classifiers, logits, strict=True):
            values = values.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
            odds = values.sigmoid() if self.has_scores else values.exp()
            children = odds * (of_node[parent] / odds.sum(1, keepdim=True))
            in_order.append(children)
            for row, child in enumerate(self.taxonomy.children(parent)):
                if self.taxonomy.children(child):
                    of_node[child] = children[:, row : row + 1]
        return torch.cat(in_order, 1).index_select(1, self.order)


class LeafNodes(nn.Module):
    """A leaf head that returns all nodes instead of leaves."""

    def __init__(self, head: LeafHead, taxonomy: Taxonomy) -> None:
        """Share the head's convolution."""
        super().__init__()
        self.logits = head.logits
        row_of_leaf = {leaf: row for row, leaf in enumerate(taxonomy.leaves)}
        # Preorder: the leaves below a node are neighbours.
        rows = [
            [row_of_leaf[leaf] for leaf in taxonomy.leaves if node in taxonomy.path(leaf)]
            for node in range(len(taxonomy))
        ]
        self.steps = [(0, row[0], row[-1] + 1) for row in rows]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, V, h, w)."""
        return _node_sums([self.logits(features).softmax(1)], self.steps)


class CutLeafNodes(nn.Module):
    """A head with a cut tree that returns all nodes instead of leaves."""

    def __init__(self, head: CutLeafHead, taxonomy: Taxonomy) -> None:
        """Share the head."""
        super().__init__()
        self.cut_head = head
        places = {node: place for place, node in enumerate(head.frontier)}
        self.cuts = [places[cut] for cut in head.cuts]
        above = [set(taxonomy.path(node)) for node in head.frontier]
        # Preorder: what lies below a node are neighbours, and nodes below a cut follow it.
        self.steps: list[tuple[int, int, int]] = []
        """Of each node: index of the probabilities that it sums, first channel, and end."""
        for node in range(len(taxonomy)):
            cut = next((cut for cut in head.cuts if cut in taxonomy.path(node)[:-1]), None)
            if cut is None:
                rows = [place for place, nodes in enumerate(above) if node in nodes]
                self.steps.append((0, rows[0], rows[-1] + 1))
            else:
                leaves = list(taxonomy.leaves_below(cut))
                rows = [leaves.index(leaf) for leaf in taxonomy.leaves_below(node)]
                self.steps.append((1 + head.cuts.index(cut), rows[0], rows[-1] + 1))

    def forward(self, street: torch.Tensor, detail: torch.Tensor | None = None) -> torch.Tensor:
        """Return (N, V, h, w).

        Args:
            street: Channels that the first softmax reads; all channels without `detail`.
            detail: Channels that the classifiers below cuts read.
        """
        if detail is None:
            street, detail = self.cut_head.divided(street)
        logits, below = self.cut_head.factors(street, detail)
        frontier = logits.softmax(1)
        sources = [frontier]
        for place, values in zip(self.cuts, below, strict=True):
            sources.append(values.softmax(1) * frontier[:, place : place + 1])
        return _node_sums(sources, self.steps)


def _node_sums(
    sources: Sequence[torch.Tensor], steps: Sequence[tuple[int, int, int]]
) -> torch.Tensor:
    """Return the sums (N, V, h, w) of spans of channels, at most 1.

    Args:
        sources: (N, C, h, w) probabilities.
        steps: Of each sum: index of its source, first channel, and end.
    """
    parts: list[torch.Tensor] = []
    waiting: tuple[int, int, int] | None = None
    for index, first, last in [*steps, (-1, 0, 0)]:
        # Runtimes take as long for a sum of one channel as for one of many: neighbouring leaves
        # are copied together.
        is_next = last == first + 1 and waiting is not None and waiting[0] == index
        if is_next and waiting is not None and waiting[2] == first:
            waiting = (index, waiting[1], last)
            continue
        if waiting is not None:
            parts.append(sources[waiting[0]][:, waiting[1] : waiting[2]])
        waiting = (index, first, last) if last == first + 1 else None
        if last > first + 1:
            parts.append(sources[index][:, first:last].sum(1, keepdim=True))
    return torch.cat(parts, 1).clamp(max=1.0)


class _Bottleneck(nn.Module):
    """A residual branch with the sum and ReLU around it."""

    def __init__(self, branch: nn.Module) -> None:
        """Share the branch."""
        super().__init__()
        self.branch = branch

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, C, h, w)."""
        return torch.relu(features + self.branch(features))


def _modules(module: nn.Module) -> list[nn.Module]:
    """Return the modules of a list of branches."""
    return list(module.children())


def _packs(widths: Sequence[int], count: int) -> list[list[int]]:
    """Return the classifiers in order, in up to `count` packs of about the same width."""
    packs: list[list[int]] = [[]]
    for index, before in enumerate(accumulate(widths, initial=0)):
        if index == len(widths):
            break
        if packs[-1] and before * count >= sum(widths) * len(packs):
            packs.append([])
        packs[-1].append(index)
    return packs


def _centred(convolution: nn.Module) -> nn.Conv2d:
    """Return a copy whose logits have mean 0, which does not change their softmax."""
    assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
    weight, bias = convolution.weight.detach(), convolution.bias.detach()
    return _pointwise(weight - weight.mean(0), bias - bias.mean())


def _branches(head: ConditionalHead, packs: list[list[int]]) -> list[nn.Module]:
    """Return one convolution with folded batch norm and ReLU per pack."""
    convolution, norm, _ = _modules(head.branch)
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    weight = convolution.weight.detach() * scale[:, None, None, None]
    bias = norm.bias.detach() - norm.running_mean * scale
    start = list(accumulate(head.widths, initial=0))
    spans = [slice(start[pack[0]], start[pack[-1] + 1]) for pack in packs]
    return [nn.Sequential(_pointwise(weight[span], bias[span]), nn.ReLU()) for span in spans]


def _side_by_side(convolutions: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """Return one 1x1 convolution that applies each to its own channels."""
    rows = torch.block_diag(  # type: ignore[no-untyped-call]
        *(convolution.weight.detach()[..., 0, 0] for convolution in convolutions)
    )
    biases = [
        convolution.bias.detach() for convolution in convolutions if convolution.bias is not None
    ]
    return _pointwise(rows[..., None, None], torch.cat(biases))


def _pointwise(weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    """Return a 1x1 convolution with these weights."""
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    convolution.weight = nn.Parameter(weight.clone(), requires_grad=False)
    convolution.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return convolution
