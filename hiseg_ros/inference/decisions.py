# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decisions as a back-end's kind of array needs them: tensors densely, arrays sparsely."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DeviceError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, LabelImage

if TYPE_CHECKING:
    import torch

Decided = tuple[LabelImage, NDArray[np.uint8], NDArray[np.float32]]
"""Labels, confidence, and the (V, h, w) probabilities in memory of their own."""


class DenseDecision:
    """The reference, for (V, h, w) tensors on any device."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Keep the tree."""
        self.taxonomy = taxonomy

    def __call__(
        self,
        nodes: torch.Tensor,
        size: ImageSize,
        threshold: float,
        *,
        labels: bool,
        confidence: bool,
    ) -> Decided:
        """Return labels, confidence and probabilities; see `pipeline.Decision`."""
        import torch

        from hiseg_ros.decision import decide

        label_image = confidence_image = np.empty((0, 0), np.uint8)
        if labels or confidence:
            with torch.inference_mode():
                decided, probability = decide(nodes, self.taxonomy, size, threshold)
                if labels:
                    label_image = decided.cpu().numpy()
                if confidence:
                    quantised = (probability * 255).round().clamp(0, 255).to(torch.uint8)
                    confidence_image = quantised.cpu().numpy()
        return label_image, confidence_image, np.ascontiguousarray(nodes.float().cpu().numpy())


class FusedDecision:
    """One kernel for (V, h, w) tensors on a GPU, and one copy back for both images."""

    def __init__(self, taxonomy: Taxonomy, device: torch.device) -> None:
        """Put the tables on the device and decide a small example.

        Raises:
            DeviceError: The kernel cannot be compiled here, or does not decide as the reference.
        """
        import torch

        from hiseg_ros.decision.fused import DeviceTables, decide_fused

        self._decide = decide_fused
        self._tables = DeviceTables.of(taxonomy, device)
        generator = torch.Generator().manual_seed(0)
        leaves = torch.rand((len(taxonomy.leaves), 35), generator=generator) ** 8
        members = torch.from_numpy(taxonomy.leaf_matrix()).float()
        nodes = (members @ (leaves / leaves.sum(0))).view(-1, 5, 7).to(device)
        expected, _, _ = DenseDecision(taxonomy)(
            nodes, (40, 56), 0.3, labels=True, confidence=False
        )
        try:
            found, _, _ = self(nodes, (40, 56), 0.3, labels=True, confidence=False)
        except Exception as problem:  # compiler and driver have errors of many kinds
            reason = ' '.join(str(problem).split())[:200]
            raise DeviceError(
                f'The kernel of the decision cannot run on {device} ({reason}); expected a GPU '
                'that Triton compiles for.'
            ) from problem
        if (found != expected).mean() > 0.01:
            raise DeviceError(
                f'The kernel of the decision decides {(found != expected).mean():.1%} of the '
                f'pixels wrongly on {device}; expected those of the reference.'
            )

    def __call__(
        self,
        nodes: torch.Tensor,
        size: ImageSize,
        threshold: float,
        *,
        labels: bool,
        confidence: bool,
    ) -> Decided:
        """Return labels, confidence and probabilities; see `pipeline.Decision`."""
        import torch

        nodes = nodes.contiguous()
        empty = np.empty((0, 0), np.uint8)
        images = [empty, empty]
        if labels or confidence:
            decided = self._decide(nodes[None], self._tables, size, threshold)
            wanted = [index for index, want in enumerate((labels, confidence)) if want]
            together = torch.cat([decided[index] for index in wanted]).cpu().numpy()
            for row, index in enumerate(wanted):
                images[index] = together[row]
        return images[0], images[1], np.ascontiguousarray(nodes.float().cpu().numpy())


def decision_on_gpu(taxonomy: Taxonomy, device: torch.device) -> FusedDecision | DenseDecision:
    """Return the kernel where it runs, else the reference, with a warning that says why."""
    try:
        return FusedDecision(taxonomy, device)
    except (DeviceError, ModuleNotFoundError) as problem:
        warnings.warn(f'The slower reference decides: {problem}', RuntimeWarning, stacklevel=2)
        return DenseDecision(taxonomy)


class SparseDecision:
    """The exact shortcut on the CPU, for (V, h, w) arrays or tensors there; needs no torch."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Make the tables and compile the kernels, or load them from the cache.

        Raises:
            ConfigError: numba is not installed.
        """
        try:
            from hiseg_ros.decision.sparse import DecisionTables, decide_sparse, warm_up
        except ModuleNotFoundError as problem:
            raise ConfigError(
                f'Python has no module {problem.name}, which the decision on the CPU needs; '
                'expected it beside the back-end: pip install numba.'
            ) from problem
        self._tables = DecisionTables.of(taxonomy)
        self._decide = decide_sparse
        warm_up(self._tables)

    def __call__(
        self,
        nodes: NDArray[np.float32],
        size: ImageSize,
        threshold: float,
        *,
        labels: bool,
        confidence: bool,
    ) -> Decided:
        """Return labels, confidence and probabilities; see `pipeline.Decision`."""
        values = np.ascontiguousarray(nodes)
        label_image = confidence_image = np.empty((0, 0), np.uint8)
        if labels or confidence:
            label_image, confidence_image = self._decide(
                values, self._tables, size, threshold, labels=labels, confidence=confidence
            )
        return label_image, confidence_image, values
