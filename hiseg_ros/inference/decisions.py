# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decisions as classes for `pipeline`: dense and fused for tensors, sparse for arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DeviceError, reason_of
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, LabelImage, Wanted

if TYPE_CHECKING:
    import torch

Decided = tuple[LabelImage, NDArray[np.uint8], NDArray[np.float32]]
"""Labels, confidence, and (V, h, w) probabilities; see `interfaces.Decision`."""

LARGEST_DISAGREEMENT = 0.01
"""Largest share of an example's pixels on which fused and reference decision may differ."""

NO_IMAGE = (0, 0)
NO_GRID = (0, 0, 0)


class DenseDecision:
    """The reference decision, for (V, h, w) tensors on any device."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Create the decision for a tree."""
        self.taxonomy = taxonomy

    def __call__(
        self, nodes: torch.Tensor, size: ImageSize, threshold: float, wanted: Wanted
    ) -> Decided:
        """Return labels, confidence and probabilities; see `interfaces.Decision`."""
        import torch

        from hiseg_ros.decision import decide

        labels = confidence = np.empty(NO_IMAGE, np.uint8)
        values = np.empty(NO_GRID, np.float32)
        with torch.inference_mode():
            if wanted.labels or wanted.confidence:
                decided, probability = decide(nodes, self.taxonomy, size, threshold)
                if wanted.labels:
                    labels = decided.cpu().numpy()
                if wanted.confidence:
                    quantised = (probability * 255).round().clamp(0, 255).to(torch.uint8)
                    confidence = quantised.cpu().numpy()
            if wanted.probabilities:
                values = nodes.to('cpu', torch.float32, copy=True).contiguous().numpy()
        return labels, confidence, values


class FusedDecision:
    """The fused decision, for (V, h, w) tensors on a GPU: one kernel, one copy of the results."""

    def __init__(self, taxonomy: Taxonomy, device: torch.device) -> None:
        """Copy the tables to the device, and verify the kernel on a small example.

        Raises:
            DeviceError: The kernel cannot be compiled here, or differs from the reference.
        """
        import torch

        from hiseg_ros.decision.fused import DeviceTables, decide_fused
        from hiseg_ros.inference.torch_device import on_host

        self._decide = decide_fused
        self._on_host = on_host
        self._tables = DeviceTables.of(taxonomy, device)
        generator = torch.Generator().manual_seed(0)
        leaves = torch.rand((len(taxonomy.leaves), 35), generator=generator) ** 8
        members = torch.from_numpy(taxonomy.leaf_matrix()).float()
        nodes = (members @ (leaves / leaves.sum(0))).view(-1, 5, 7).to(device)
        try:
            # Each choice of results has its own kernel; all are compiled before the first frame.
            reference = DenseDecision(taxonomy)
            wrong = max(
                self._disagreement(nodes, reference, labels, confidence)
                for labels, confidence in ((True, True), (True, False), (False, True))
            )
        except Exception as problem:  # compiler and driver have errors of many kinds
            raise DeviceError(
                f'The kernel of the decision cannot run on {device} ({reason_of(problem)}); '
                'expected a GPU that Triton compiles for.'
            ) from problem
        if wrong > LARGEST_DISAGREEMENT:
            raise DeviceError(
                f'The kernel of the decision labels {wrong:.1%} of the pixels wrongly on '
                f'{device}; expected the labels of the reference.'
            )

    def _disagreement(
        self, nodes: torch.Tensor, reference: DenseDecision, labels: bool, confidence: bool
    ) -> float:
        """Return the share of pixels with another label, or a confidence off by more than 1."""
        wanted = Wanted(labels, confidence, probabilities=False)
        found, expected = (decide(nodes, (40, 56), 0.3, wanted) for decide in (self, reference))
        return max(
            float((np.abs(ours.astype(int) - theirs) > most).mean())
            for ours, theirs, most in zip(found[:2], expected[:2], (0, 1), strict=True)
            if ours.size
        )

    def __call__(
        self, nodes: torch.Tensor, size: ImageSize, threshold: float, wanted: Wanted
    ) -> Decided:
        """Return labels, confidence and probabilities; see `interfaces.Decision`."""
        labels = confidence = np.empty(NO_IMAGE, np.uint8)
        values = np.empty(NO_GRID, np.float32)
        nodes = nodes.contiguous()
        on_device = []
        if wanted.labels or wanted.confidence:
            images = self._decide(
                nodes[None], self._tables, size, threshold,
                want_labels=wanted.labels, want_confidence=wanted.confidence,
            )  # fmt: skip
            if wanted.labels:
                on_device.append(images[0][0])
            if wanted.confidence:
                on_device.append(images[1][0])
        if wanted.probabilities:
            on_device.append(nodes.float())
        found = self._on_host(on_device)
        if wanted.probabilities:
            values = found.pop()
        if wanted.confidence:
            confidence = found.pop()
        if wanted.labels:
            labels = found.pop()
        return labels, confidence, values


def decision_on_gpu(taxonomy: Taxonomy, device: torch.device) -> FusedDecision | DenseDecision:
    """Return the fused decision, or the reference with a warning where the kernel cannot run."""
    try:
        return FusedDecision(taxonomy, device)
    except (DeviceError, ModuleNotFoundError) as problem:
        warnings.warn(
            f'The slower reference decision is used: {problem}', RuntimeWarning, stacklevel=2
        )
        return DenseDecision(taxonomy)


class SparseDecision:
    """The sparse decision on the CPU, for (V, h, w) arrays or CPU tensors; needs no torch."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Create the tables and compile the kernels, or load them from the cache.

        Raises:
            ConfigError: numba is not installed.
        """
        try:
            from hiseg_ros.decision.sparse import decide_sparse, warm_up
            from hiseg_ros.decision.tables import DecisionTables
        except ModuleNotFoundError as problem:
            raise ConfigError(
                f'Python has no module {problem.name}, which the decision on the CPU needs; '
                'expected it beside the backend: pip install numba.'
            ) from problem
        self._tables = DecisionTables.of(taxonomy)
        self._taxonomy = taxonomy
        self._nodes = len(taxonomy)
        self._decide = decide_sparse
        warm_up(self._tables)

    def _read(self, wanted: Wanted) -> list[int] | None:
        """Return the nodes whose probabilities are read, None for all."""
        if wanted.deepest is None:
            return None
        nodes, root = self._taxonomy.nodes, self._taxonomy.subclass_root
        read = {node.node_id for node in nodes if node.level <= wanted.deepest}
        if wanted.subclasses and root is not None:
            read.update(self._taxonomy.nodes_below(root))
        return sorted(read)

    @property
    def planes(self) -> int:
        """Number of planes that are decided on: V, or more for a flat network."""
        return len(self._tables)

    def __call__(
        self, nodes: NDArray[np.float32], size: ImageSize, threshold: float, wanted: Wanted
    ) -> Decided:
        """Return labels, confidence and probabilities; see `interfaces.Decision`."""
        planes = np.ascontiguousarray(nodes)
        labels = confidence = np.empty(NO_IMAGE, np.uint8)
        values = np.empty(NO_GRID, np.float32)
        if wanted.labels or wanted.confidence:
            labels, confidence = self._decide(
                planes, self._tables, size, threshold,
                labels=wanted.labels, confidence=wanted.confidence,
            )  # fmt: skip
        if wanted.probabilities:
            # Copied, since the backend overwrites them at the next image.
            read = self._read(wanted)
            if read is None:
                values = planes[: self._nodes].copy()
            else:
                values = np.zeros((self._nodes, *planes.shape[1:]), np.float32)
                for node in read:
                    values[node] = planes[node]
        return labels, confidence, values
