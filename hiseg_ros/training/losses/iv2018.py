# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The loss of Meletis and Dubbelman, IV 2018: cross entropy per classifier, boxes gated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.config.loss import PUBLISHED_CLASSIFIER_WEIGHTS
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.distributed import global_mean
from hiseg_ros.training.losses.box_gate import gate_nodes
from hiseg_ros.training.losses.label_rows import MixtureLayers, present_rows, row_weights
from hiseg_ros.types import ImageSize


def at_pixels(grid: torch.Tensor, size: ImageSize, pixels: torch.Tensor) -> torch.Tensor:
    """Interpolate (K, h, w) linearly at some pixels of an image of a size only.

    Args:
        grid: Values of cells.
        size: (H, W) of the image.
        pixels: (P,) int64, row * W + column.

    Returns:
        (K, P), what `interpolate` has at these pixels.
    """
    if tuple(grid.shape[1:]) == tuple(size):
        return grid.flatten(1)[:, pixels]
    height, width = size
    rows, columns = (pixels // width).to(grid.dtype), (pixels % width).to(grid.dtype)
    places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    sampled = F.grid_sample(
        grid[None], places[None, None], padding_mode='border', align_corners=False
    )
    return sampled[0, :, 0]


def child_targets(table: LabelTable, taxonomy: Taxonomy) -> torch.Tensor:
    """Return (J, labels + 1) int64: the child that a label is for a classifier, or -1 for none.

    A pixel's label trains every classifier one of whose children is above all of the label's
    leaves. A box's trains the classifiers from its gate node down only, never the root.
    The last column is that of unlabeled pixels.
    """
    gates = gate_nodes(table, taxonomy).tolist()
    from_boxes = table.from_boxes.tolist()
    targets = torch.full((len(taxonomy.classifiers), table.label_count + 1), -1)
    for row, node in enumerate(table.nodes[: table.label_count].tolist()):
        path = taxonomy.path(node)
        if from_boxes[row]:
            path = path[path.index(gates[row]) :] if gates[row] else ()
        for parent, child in zip(path[:-1], path[1:], strict=True):
            index = taxonomy.children(parent).index(child)
            targets[taxonomy.classifiers.index(parent), row] = index
    return targets


class Iv2018Loss(torch.nn.Module):
    """Sum over classifiers of factor * (mean over pixel labels + mean over box labels).

    A box's pixel counts where the classifier above its gate node decides for that node: in the
    tree iv2018 the sign classifier for 'front', while the root is not asked, as in the authors'
    code. Their extra output for void, which no pixel was ever trained towards, does not exist
    here.
    """

    def __init__(
        self,
        table: LabelTable,
        taxonomy: Taxonomy,
        classifier_weights: Sequence[float] = PUBLISHED_CLASSIFIER_WEIGHTS,
        level_weights: Sequence[float] = (),
    ) -> None:
        """Take what the labels mean to each classifier.

        Args:
            table: Labels and mixtures.
            taxonomy: The tree.
            classifier_weights: As in LossConfig.
            level_weights: As in LossConfig.

        Raises:
            ConfigError: No label trains any classifier, or there are more weights than levels.
        """
        super().__init__()
        targets = child_targets(table, taxonomy)
        if bool((targets < 0).all()):
            raise ConfigError(
                "Loss 'iv2018' has no label that trains a classifier; expected at least one: use "
                'the loss set, or a dataset with finer labels.'
            )
        levels = [taxonomy.level(node) for node in taxonomy.classifiers]
        most = max(taxonomy.depth, len(PUBLISHED_CLASSIFIER_WEIGHTS))
        if len(classifier_weights) > most:
            raise ConfigError(
                f'Loss setting classifier_weights has {len(classifier_weights)} values; expected '
                f'at most {most}, one for each level with classifiers.'
            )
        self.factors = [classifier_weights[min(v, len(classifier_weights) - 1)] for v in levels]
        self.layers = MixtureLayers(table)
        self._rows = [frozenset((row >= 0).nonzero().flatten().tolist()) for row in targets]
        gates = gate_nodes(table, taxonomy)
        self._gates = [
            (gate, taxonomy.classifiers.index(parent), taxonomy.children(parent).index(gate))
            for gate in torch.unique(gates).tolist()
            if (parent := taxonomy.parent(gate)) is not None
        ]
        for name, values in (
            ('targets', targets),
            ('gates', gates),
            ('weights', row_weights(table, level_weights)),
            ('is_box', table.from_boxes[: table.label_count].long()),
        ):
            self.register_buffer(name, values, persistent=False)
        self.targets: torch.Tensor
        self.gates: torch.Tensor
        self.weights: torch.Tensor
        self.is_box: torch.Tensor

    def forward(
        self,
        output: HeadOutput,
        targets: torch.Tensor,
        dataset_index: torch.Tensor,
        dataset_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss of a batch.

        Args:
            output: Of the conditional head.
            targets: (N, H, W) integer rows of the label table; -1 = unlabeled.
            dataset_index: (N,) dataset of each image.
            dataset_weights: (D,) weight of each pixel of each dataset.

        Raises:
            ConfigError: The head has no classifiers.
        """
        conditional = output.conditional_log_probabilities
        if conditional is None:
            raise ConfigError("Loss 'iv2018' needs a network with the head 'conditional'.")
        # Every classifier is part of the sum, also without a pixel: processes that train together
        # wait for the gradient of every weight.
        total = torch.stack([values[:1, :1, :1, :1].sum() for values in conditional]).sum() * 0
        sums = total.new_zeros(len(conditional), 2)
        counts = total.new_zeros(len(conditional), 2)
        with torch.autocast(total.device.type, enabled=False):
            # One tensor per image: indexing would make each gradient as large as the batch.
            images = zip(*(values.unbind() for values in conditional), strict=True)
            for n, logs in enumerate(images):
                for rows, share in self.layers(targets[n].long()):
                    weight = self.weights[rows] * dataset_weights[dataset_index[n]]
                    share = torch.ones_like(weight) if share is None else share
                    added, counted = self._image(logs, rows, weight, share)
                    sums, counts = sums + added, counts + counted
        factors = total.new_tensor(self.factors)[:, None]
        # Both sets have their own size, pixels of weight 0 not counted; an empty one adds nothing.
        means = global_mean(sums, counts, least=torch.finfo().tiny)
        return total + (factors * means).sum()

    def _image(
        self,
        logs: Sequence[torch.Tensor],
        rows: torch.Tensor,
        weight: torch.Tensor,
        share: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weighted sums and the counts (J, 2) of pixel and of box labels."""
        size = (rows.shape[0], rows.shape[1])
        rows, weight, share = rows.flatten(), weight.flatten(), share.flatten()
        present = present_rows(rows, self.targets.shape[1] - 1).tolist()
        is_open = self._open(logs, rows, size) if self._gates else None
        sums = [weight.new_zeros(2) for _ in logs]
        counts = [weight.new_zeros(2) for _ in logs]
        for classifier, values in enumerate(logs):
            if self._rows[classifier].isdisjoint(present):
                continue
            children = self.targets[classifier][rows]
            is_trained = (children >= 0) & (weight > 0)
            if is_open is not None:
                is_trained = is_trained & is_open
            pixels = is_trained.nonzero().flatten()
            if pixels.numel() == 0:
                continue
            # Softmax after the interpolation, as in the authors' code: what logarithms of
            # probabilities lack to be logits is the same for all children and cancels.
            cross_entropy = F.cross_entropy(
                at_pixels(values, size, pixels)[None], children[pixels][None], reduction='none'
            )[0]
            which = F.one_hot(self.is_box[rows[pixels]], 2) * share[pixels][:, None]
            sums[classifier] = ((weight[pixels] * cross_entropy)[:, None] * which).sum(0)
            counts[classifier] = which.sum(0)
        return torch.stack(sums), torch.stack(counts)

    @torch.no_grad()
    def _open(
        self, logs: Sequence[torch.Tensor], rows: torch.Tensor, size: ImageSize
    ) -> torch.Tensor:
        """Return (H * W,) bool: False where a box's gate node loses in the classifier above it."""
        gate_of_pixel = self.gates[rows]
        is_open = torch.ones_like(rows, dtype=torch.bool)
        for gate, classifier, child in self._gates:
            pixels = (gate_of_pixel == gate).nonzero().flatten()
            if pixels.numel():
                decided = at_pixels(logs[classifier], size, pixels).argmax(0)
                is_open[pixels] = decided == child
        return is_open
