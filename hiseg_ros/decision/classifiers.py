# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The classifiers of a tree at single points: features on the grid to probabilities of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiseg_ros.decision.compiled import Bools, Floats, Ints
from hiseg_ros.decision.lane_kernels import COLUMNS, LANES, ROWS, STEP
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.decision.tree_kernels import walk_tree
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.threads import run_in_parallel, thread_count


@dataclass(frozen=True)
class Classifier:
    """A classifier over the children of one inner node that reads one grid point."""

    branch: Floats
    """(B, C) weights of its private layer, which ends in a ReLU."""
    branch_bias: Floats
    """(B,)."""
    logits: Floats
    """(K, B) weights of its children's logits."""
    logits_bias: Floats
    """(K,)."""


@dataclass(frozen=True)
class EvaluationPlan:
    """Which classifiers are evaluated beyond what labels need."""

    everywhere: Bools
    """(I,) whether at all points; only if the parent's is."""
    completed: Bools
    """(I,) whether all inner children are evaluated where the node can be decided."""
    cleared: Ints
    """Nodes whose probabilities are 0 where they are not evaluated."""
    share: float
    """Share of the arithmetic of all classifiers that is done at all points, in [0, 1]."""


@dataclass(frozen=True)
class _Band:
    """What one worker evaluates, and its memory."""

    first_row: int
    last_row: int
    turned: Floats


class ClassifierTree:
    """Evaluates the classifiers of a tree where the decision reads them, or at all points."""

    def __init__(
        self,
        tables: DecisionTables,
        classifiers: Sequence[Classifier],
        is_score: bool = False,
    ) -> None:
        """Lay out the weights, and compile the kernel or load it from the cache.

        Args:
            tables: Tables of the tree, whose nodes are numbered in preorder.
            classifiers: One for each inner node, in the order of the nodes.
            is_score: Whether a child's odds are the sigmoid of its logit, and not the exponential.
        """
        self.tables = tables
        """Tables of the tree."""
        self.classifiers = tuple(classifiers)
        """One for each inner node."""
        self._channels = classifiers[0].branch.shape[1]
        blocks = [
            block
            for one in classifiers
            for block in (
                _block(one.branch, one.branch_bias), _block(one.logits, one.logits_bias)
            )
        ]  # fmt: skip
        starts = np.cumsum([0, *map(len, blocks)])[:-1]
        self._weights = np.concatenate(blocks)
        self._offsets = starts.astype(np.int32).reshape(-1, 2)
        self._widths = np.array([_filled(len(one.branch)) for one in classifiers], np.int32)
        self._is_score = is_score
        self._planes = np.zeros((len(tables), 0, 0), np.float32)
        self._bands: list[_Band] = []
        nothing, everything = [False] * len(classifiers), [True] * len(classifiers)
        self._for_labels = self._plan(nothing, nothing, [])
        self.everywhere = self._plan(everything, nothing, [])
        """The plan for all probabilities at all points."""
        self.evaluated = 0
        """Evaluations of a classifier in a tile of LANES points, by the last call."""
        self(np.zeros((1, 1, self._channels), np.float32))

    @property
    def channels(self) -> int:
        """Number of features C."""
        return self._channels

    @property
    def grid(self) -> tuple[int, int]:
        """Grid (h, w) of the last call."""
        return self._planes.shape[1], self._planes.shape[2]

    @property
    def evaluations_everywhere(self) -> int:
        """What `evaluated` is, apart from the seams of workers, after a call for all points."""
        height, width = self.grid
        return len(self.classifiers) * -(-height // ROWS) * -(-width // COLUMNS)

    def plan(
        self, taxonomy: Taxonomy, deepest: int = 0, subclasses: bool = False
    ) -> EvaluationPlan:
        """Return a plan that is more than enough for labels.

        Args:
            taxonomy: The tree.
            deepest: Level of the nodes up to which all probabilities are wanted at all points.
            subclasses: Whether those below the subclass root are wanted where labels are.
        """
        root = taxonomy.subclass_root
        below = set(taxonomy.nodes_below(root) if subclasses and root is not None else ())
        return self._plan(
            [taxonomy.level(node) < deepest for node in taxonomy.classifiers],
            [node in below for node in taxonomy.classifiers],
            sorted(below),
        )

    def _plan(
        self, everywhere: Sequence[bool], completed: Sequence[bool], cleared: Sequence[int]
    ) -> EvaluationPlan:
        arithmetic = np.array([one.branch.size + one.logits.size for one in self.classifiers])
        return EvaluationPlan(
            np.array(everywhere, np.bool_),
            np.array(completed, np.bool_),
            np.array(cleared, np.int32),
            float(arithmetic[np.array(everywhere, np.bool_)].sum() / arithmetic.sum()),
        )

    def __call__(self, features: Floats, plan: EvaluationPlan | None = None) -> Floats:
        """Return probabilities of nodes on the grid; valid until the next call.

        Args:
            features: (h, w, C) float32.
            plan: What is wanted beyond what labels depend on. All else is left as it happens to
                be in memory.

        Returns:
            (V, h, w) float32; a child's is that of its parent times its share of the odds.
        """
        height, width, channels = features.shape
        if channels % STEP:
            wider = np.zeros((height, width, _filled(channels)), np.float32)
            wider[..., :channels] = features
            features = wider
        values = np.ascontiguousarray(features)
        if self.grid != (height, width) or len(self._bands) != thread_count():
            self._make_room(height, width)
        wanted = plan or self._for_labels
        self._planes[wanted.cleared] = 0

        def work(worker: int, _: int) -> int:
            band = self._bands[worker]
            if band.first_row == band.last_row:
                return 0
            return walk_tree(
                values, self.tables.child_start, self.tables.children,
                self._weights, self._offsets, self._widths, self._is_score,
                wanted.everywhere, wanted.completed, self._planes, band.turned,
                band.first_row, band.last_row,
            )  # fmt: skip

        self.evaluated = sum(run_in_parallel(work))
        return self._planes

    def _make_room(self, height: int, width: int) -> None:
        """Divide the grid between the workers at borders of tiles."""
        self._planes = np.zeros((len(self.tables), height, width), np.float32)
        self._bands = []
        rows, columns, workers = -(-height // ROWS), -(-width // COLUMNS), thread_count()
        for worker in range(workers):
            first, last = (min(height, ROWS * (rows * n // workers)) for n in (worker, worker + 1))
            tiles = (-(-(last - first) // ROWS) + 1) * columns
            turned = np.empty((tiles, _filled(self._channels), LANES), np.float32)
            self._bands.append(_Band(first, last, turned))


def _filled(count: int) -> int:
    """Return the next multiple of STEP."""
    return -(-count // STEP) * STEP


def _block(weights: Floats, biases: Floats) -> Floats:
    """Return a layer's weights and biases in a row, filled up with zeros."""
    outputs, inputs = weights.shape
    filled = np.zeros((_filled(outputs), _filled(inputs)), np.float32)
    filled[:outputs, :inputs] = weights
    ends = np.zeros(len(filled), np.float32)
    ends[:outputs] = biases
    return np.concatenate([filled.reshape(-1), ends])
