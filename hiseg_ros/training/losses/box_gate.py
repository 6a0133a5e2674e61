# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How far the network itself agrees that a box's pixel belongs to the box's object."""

from __future__ import annotations

import torch

from hiseg_ros.decision import decide, interpolate
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.label_rows import present_rows


def gate_nodes(table: LabelTable, taxonomy: Taxonomy) -> torch.Tensor:
    """Return (labels + 1,) int64: the node that the network is asked about in a box of a label.

    That is the subclass root for a label below it (a sign type: is it a sign at all?), else the
    parent of the label's node. 0, the root, where there is nothing to ask: the label is not from
    boxes, or its node is the root or a child of the root, or, last entry, there is no label.
    """
    gates = [0] * (table.label_count + 1)
    nodes = table.nodes.tolist()
    for row in table.from_boxes[: table.label_count].nonzero().flatten().tolist():
        above = taxonomy.path(nodes[row])[:-1]
        if above:
            gates[row] = taxonomy.subclass_root if taxonomy.subclass_root in above else above[-1]
    return torch.tensor(gates)


class BoxGate(torch.nn.Module):
    """Scales the weights of box pixels by what the network says about their gate node."""

    def __init__(self, is_soft: bool, table: LabelTable, taxonomy: Taxonomy) -> None:
        """Take the labels' gate nodes.

        Args:
            is_soft: Weigh by the node's probability; else 1 where the decision of the network
                goes through the node and 0 elsewhere.
            table: Labels, and which of them come from boxes.
            taxonomy: The tree.
        """
        super().__init__()
        self.is_soft = is_soft
        self.taxonomy = taxonomy
        asked = gate_nodes(table, taxonomy)
        on_path = torch.zeros(len(taxonomy), len(taxonomy), dtype=torch.bool)
        for node in taxonomy.nodes:
            on_path[list(taxonomy.path(node.node_id)), node.node_id] = True
        leaf_matrix = torch.from_numpy(taxonomy.leaf_matrix()).float()
        for name, values in (('asked', asked), ('on_path', on_path), ('leaf_matrix', leaf_matrix)):
            self.register_buffer(name, values, persistent=False)
        self.asked: torch.Tensor
        self.on_path: torch.Tensor
        self.leaf_matrix: torch.Tensor

    @torch.no_grad()
    def forward(
        self, leaf_probabilities: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the weights of pixels, scaled where a box gave the label.

        Args:
            leaf_probabilities: (L, h, w) of one image; gets no gradient from here.
            rows: (H, W) int64 rows without mixtures; -1 = unlabeled.
            weight: (H, W) float.
        """
        gates = torch.unique(self.asked[present_rows(rows, len(self.asked) - 1)])
        gates = gates[gates > 0]
        if gates.numel() == 0:
            return weight
        gate_of_pixel = self.asked[rows]
        size = (rows.shape[0], rows.shape[1])
        if not self.is_soft:
            nodes = torch.einsum('vl,lhw->vhw', self.leaf_matrix, leaf_probabilities)
            decided, _ = decide(nodes, self.taxonomy, size)
            return weight * self.on_path[gate_of_pixel, decided.long()]
        sums = torch.einsum('vl,lhw->vhw', self.leaf_matrix[gates], leaf_probabilities)
        full = interpolate(sums, size).clamp(max=1.0)
        for gate, probability in zip(gates, full, strict=True):
            weight = torch.where(gate_of_pixel == gate, weight * probability, weight)
        return weight
