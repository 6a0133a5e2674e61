# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what compiled kernels are given: machine code writes wherever an index points.

Every kernel that Python calls is wrapped by `checked`; kernels that only kernels call are not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hiseg_ros.decision.lane_kernels import COLUMNS, LANES, ROWS, STEP
from hiseg_ros.decision.tables import node_type

Kernel = TypeVar('Kernel', bound=Callable[..., Any])
Length = int | None

MAX_NODES = 2**16
"""A node's number is stored in at most two bytes."""


def checked(check: Callable[..., None]) -> Callable[[Kernel], Kernel]:
    """Return a decorator for a compiled kernel: its arguments are checked before it runs.

    Args:
        check: Called with the kernel's arguments; raises ValueError where the kernel would read
            or write outside its arrays.
    """

    def wrap(kernel: Kernel) -> Kernel:
        @functools.wraps(getattr(kernel, 'py_func', kernel))
        def run(*arguments: Any) -> Any:
            check(*arguments)
            return kernel(*arguments)

        run.kernel = kernel  # type: ignore[attr-defined]
        run.check = check  # type: ignore[attr-defined]
        return cast(Kernel, run)

    return wrap


def check_array(
    name: str,
    array: NDArray[Any],
    dtype: DTypeLike,
    shape: tuple[Length, ...],
    *,
    writable: bool = False,
) -> None:
    """Check type, layout and sides of one array.

    Args:
        name: Of the argument, for the message.
        array: The argument.
        dtype: Its type.
        shape: Its sides; None for any length but 0.
        writable: Whether the kernel writes it.

    Raises:
        ValueError: It has another type or shape, an empty side that is not expected, is not
            C-contiguous, not aligned, or is to be written and cannot be.
    """
    found = f'{type(array).__name__}'
    if isinstance(array, np.ndarray):
        fits = array.ndim == len(shape) and all(
            have == want if want is not None else have > 0
            for have, want in zip(array.shape, shape, strict=True)
        )
        flags = array.flags
        if fits and array.dtype == np.dtype(dtype) and flags.c_contiguous and flags.aligned:
            if flags.writeable or not writable:
                return
        layout = 'C-contiguous' if flags.c_contiguous else 'not C-contiguous'
        access = 'writable' if flags.writeable else 'read-only'
        found = f'{array.shape} {array.dtype}, {layout}, {access}'
    wanted = ', '.join('n' if side is None else str(side) for side in shape)
    raise ValueError(
        f'A kernel got {name} as {found}; expected ({wanted}) {np.dtype(dtype)}, C-contiguous'
        f'{", writable" if writable else ""}: use arrays that belong to one tree and one grid.'
    )


def check_range(name: str, values: NDArray[Any], low: int, high: int) -> None:
    """Check that whole numbers lie from `low` to `high`, both included; none at all is fine.

    Raises:
        ValueError: One does not.
    """
    if values.size and not (low <= int(values.min()) and int(values.max()) <= high):
        raise ValueError(
            f'A kernel got {name} from {values.min()} to {values.max()}; expected {low} to '
            f'{high}: use tables that belong to one tree and one grid.'
        )


def check_starts(name: str, starts: NDArray[np.int32], end: int) -> None:
    """Check that `starts` rises from 0 to `end`, so that neighbours bound a part of an array.

    Raises:
        ValueError: It does not.
    """
    if starts[0] != 0 or starts[-1] != end or (np.diff(starts) < 0).any():
        raise ValueError(
            f'A kernel got {name} from {starts[0]} to {starts[-1]}; expected numbers that rise '
            f'from 0 to {end}: use tables that belong to one tree and one grid.'
        )


def check_band(worker: int, workers: int) -> None:
    """Check a worker's number, from 0, and the number of workers.

    Raises:
        ValueError: There is no such worker.
    """
    if not (0 <= worker < workers):
        raise ValueError(f'A kernel got worker {worker} of {workers}; expected 0 or more, below.')


def check_rows(first: int, last: int, height: int) -> None:
    """Check the rows from `first` up to, not including, `last`.

    Raises:
        ValueError: They do not lie in an image of that height.
    """
    if not 0 <= first <= last <= height:
        raise ValueError(
            f'A kernel got the rows {first} to {last}; expected rows of the {height} there are.'
        )


def check_tree(child_start: NDArray[np.int32], children: NDArray[np.int32], nodes: int) -> None:
    """Check that flat arrays are a tree whose walk ends; see `DecisionTables`.

    Raises:
        ValueError: A child is no node, is the root or has two parents, or the root has no child.
    """
    if not 0 < nodes <= MAX_NODES:
        raise ValueError(f'A kernel got {nodes} planes; expected 1 to {MAX_NODES}.')
    check_array('child_start', child_start, np.int32, (nodes + 1,))
    check_array('children', children, np.int32, (None,))
    check_starts('child_start', child_start, len(children))
    check_range('children', children, 1, nodes - 1)
    if child_start[1] == 0 or len(np.unique(children)) != len(children):
        raise ValueError(
            'A kernel got a tree whose root has no child, or a node with two parents; expected '
            'the tables of one tree.'
        )


def check_walk_grid(
    values: Any, child_start: Any, children: Any, threshold: Any, nodes: Any, chosen: Any,
    sure: Any, worker: int, workers: int,
) -> None:  # fmt: skip
    """Check the arguments of `grid_kernels.walk_grid`; raise ValueError."""
    check_array('values', values, np.float32, (None, None, None))
    check_tree(child_start, children, len(values))
    grid = values.shape[1:]
    check_array('nodes', nodes, node_type(len(values)), grid, writable=True)
    check_array('chosen', chosen, np.float32, grid, writable=True)
    check_array('sure', sure, np.bool_, grid, writable=True)
    check_band(worker, workers)


def check_fill(
    values: Any, child_start: Any, children: Any, common: Any, threshold: Any, nodes: Any,
    chosen: Any, sure: Any, cell_y: Any, near_y: Any, far_y: Any, start_y: Any, cell_x: Any,
    near_x: Any, far_x: Any, start_x: Any, want_labels: bool, want_confidence: bool, labels: Any,
    confidence: Any, worker: int, workers: int,
) -> None:  # fmt: skip
    """Check the arguments of `cell_kernels.fill`; raise ValueError."""
    check_walk_grid(values, child_start, children, threshold, nodes, chosen, sure, worker, workers)
    count = len(values)
    check_array('common', common, nodes.dtype, (count, count))
    check_range('common', common, 0, count - 1)
    check_range('nodes', nodes, 0, count - 1)
    size = []
    axes = (('y', cell_y, near_y, far_y, start_y), ('x', cell_x, near_x, far_x, start_x))
    for (side, cell, near, far, start), cells in zip(axes, values.shape[1:], strict=True):
        check_array(f'cell_{side}', cell, np.int32, (None,))
        pixels = len(cell)
        check_range(f'cell_{side}', cell, 0, cells - 1)
        check_array(f'near_{side}', near, np.float32, (pixels,))
        check_array(f'far_{side}', far, np.float32, (pixels,))
        check_array(f'start_{side}', start, np.int32, (cells + 1,))
        check_starts(f'start_{side}', start, pixels)
        size.append(pixels)
    images = (
        ('labels', labels, nodes.dtype, want_labels),
        ('confidence', confidence, np.uint8, want_confidence),
    )
    for name, image, kind, is_wanted in images:
        shape = (size[0], size[1]) if is_wanted else (0, 0)
        check_array(name, image, kind, shape, writable=is_wanted)


def check_fill_planes(
    odds: Any, first_row: int, last_row: int, parents: Any, start: Any, children: Any, planes: Any
) -> None:
    """Check the arguments of `tree_planes._fill`; raise ValueError."""
    check_array('planes', planes, np.float32, (None, None, None), writable=True)
    nodes, height, width = planes.shape
    check_array('children', children, np.int32, (None,))
    check_array('odds', odds, np.float32, (height, width, len(children)))
    check_array('parents', parents, np.int32, (None,))
    check_array('start', start, np.int32, (len(parents) + 1,))
    check_starts('start', start, len(children))
    check_range('parents', parents, 0, nodes - 1)
    check_range('children', children, 0, nodes - 1)
    check_rows(first_row, last_row, height)


def check_walk_tree(
    features: Any, child_start: Any, children: Any, weights: Any, offsets: Any, widths: Any,
    is_score: bool, is_everywhere: Any, is_completed: Any, planes: Any, turned: Any,
    first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Check the arguments of `tree_kernels.walk_tree`; raise ValueError."""
    check_array('features', features, np.float32, (None, None, None))
    height, width, channels = features.shape
    # A cell's row and column are stored in one number of 32 bits.
    check_range('rows and columns', np.array([height, 0, width]), 0, 2**15 - 1)
    check_array('planes', planes, np.float32, (None, height, width), writable=True)
    check_tree(child_start, children, len(planes))
    counts = np.diff(child_start)
    inner = np.flatnonzero(counts)
    number_of_node = np.cumsum(counts > 0) - 1
    parents = np.repeat(np.arange(len(planes)), counts)
    if (parents >= children).any():
        raise ValueError('A kernel got a child before its parent; expected nodes in preorder.')
    check_array('widths', widths, np.int32, (len(inner),))
    check_range('widths', widths, STEP, 2**20)
    check_array('offsets', offsets, np.int32, (len(inner), 2))
    check_range('offsets', offsets, 0, 2**31 - 1)
    check_array('weights', weights, np.float32, (None,))
    wide, outputs = widths.astype(np.int64), -(-counts[inner] // STEP) * STEP
    ends = offsets + np.stack([wide * (channels + 1), outputs * (wide + 1)], 1)
    check_range('ends of layers', ends, 0, len(weights))
    check_range('channels beyond a step', np.array([channels, *wide]) % STEP, 0, 0)
    check_array('is_everywhere', is_everywhere, np.bool_, (len(inner),))
    check_array('is_completed', is_completed, np.bool_, (len(inner),))
    above = is_everywhere[number_of_node[parents]]
    has_classifier = counts[children] > 0
    below = is_everywhere[number_of_node[children[has_classifier]]]
    if (below & ~above[has_classifier]).any():
        raise ValueError(
            'A kernel got a classifier for all points below one for some; expected its parent '
            'at all points too.'
        )
    check_rows(first_row, last_row, height)
    rows = min(last_row, height - 1) // ROWS - first_row // ROWS + 1
    check_array('turned', turned, np.float32, (None, channels, LANES), writable=True)
    tiles = rows * -(-width // COLUMNS)
    if first_row % ROWS or first_row == last_row or len(turned) < tiles:
        raise ValueError(
            f'A kernel got the rows {first_row} to {last_row} with room for {len(turned)} tiles; '
            f'expected whole tiles from the first row, and room for all {tiles}.'
        )


def check_reduce_rows(
    source: Any, target: Any, first_row: int, last_row: int, top: Any, rows: Any,
    row_weights: Any, left: Any, columns: Any, column_weights: Any,
) -> None:  # fmt: skip
    """Check the arguments of `reduction._reduce_rows`; raise ValueError."""
    check_array('source', source, np.uint8, (None, None))
    check_array('top', top, np.int32, (None,))
    check_array('left', left, np.int32, (None,))
    check_array('target', target, np.uint8, (len(top), 3 * len(left)), writable=True)
    axes = (
        ('row', top, rows, row_weights, source.shape[0]),
        ('column', left, columns, column_weights, source.shape[1] // 3),
    )
    for name, first, count, weights, length in axes:
        check_array(f'{name} counts', count, np.int32, (len(first),))
        check_array(f'{name} weights', weights, np.float32, (len(first), None))
        check_range(f'{name} counts', count, 0, weights.shape[1])
        check_range(f'first {name}', first, 0, length)
        check_range(f'last {name}', first.astype(np.int64) + count, 0, length)
    check_rows(first_row, last_row, len(top))


MAX_FEATURES = 5
"""Of a point of the lattice: the codes of its vertices have to fit 64 bits."""

LARGEST_FEATURE = 1e6
"""Of a point of the lattice, in standard deviations: beyond it codes are not exact."""


def check_embed(features: Any, codes: Any, weights: Any, worker: int, workers: int) -> None:
    """Check the arguments of `lattice_kernels.embed`.

    Raises:
        ValueError: They do not fit each other.
    """
    check_array('features', features, np.float32, (None, None))
    points, sides = features.shape
    check_array('codes', codes, np.int64, (points, sides + 1), writable=True)
    check_array('weights', weights, np.float32, (points, sides + 1), writable=True)
    if sides > MAX_FEATURES or not (np.abs(features) <= LARGEST_FEATURE).all():
        raise ValueError(
            f'A kernel got features with {sides} values, or not finite or above '
            f'{LARGEST_FEATURE:g}; expected up to {MAX_FEATURES} finite ones: scale them.'
        )
    check_band(worker, workers)


def check_filter_planes(
    planes: Any,
    vertices: Any,
    weights: Any,
    neighbours: Any,
    filtered: Any,
    worker: int,
    workers: int,
) -> None:
    """Check the arguments of `lattice_kernels.filter_planes`.

    Raises:
        ValueError: They do not fit each other.
    """
    check_array('planes', planes, np.float32, (None, None))
    check_array('vertices', vertices, np.int32, (planes.shape[1], None))
    check_array('weights', weights, np.float32, vertices.shape)
    check_array('neighbours', neighbours, np.int32, (vertices.shape[1], None, 2))
    check_array('filtered', filtered, np.float32, planes.shape, writable=True)
    count = neighbours.shape[1]
    check_range('vertices', vertices, 0, count - 1)
    check_range('neighbours', neighbours, 0, count)
    check_band(worker, workers)
