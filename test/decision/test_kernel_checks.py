# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels refuse arrays that do not fit each other, and stay inside those that do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.decision.cell_kernels import fill
from hiseg_ros.decision.grid_kernels import walk_grid
from hiseg_ros.decision.lane_kernels import LANES
from hiseg_ros.decision.tables import DecisionTables, axis
from hiseg_ros.decision.tree_kernels import walk_tree
from hiseg_ros.inference.backends.reduction import _reduce_rows, _taps
from hiseg_ros.inference.backends.tree_planes import Pack, TreePlanes, _fill
from hiseg_ros.postprocessing.lattice_kernels import embed, filter_planes
from hiseg_ros.taxonomy import load_taxonomy

REPOSITORY = Path(__file__).resolve().parents[2]


def of_walk_grid() -> list[Any]:
    """Return arguments that walk_grid takes."""
    tables = DecisionTables.of(load_taxonomy('street'))
    values = np.ones((len(tables), 3, 4), np.float32)
    corners = [np.zeros((3, 4), kind) for kind in (np.uint8, np.float32, np.bool_)]
    return [values, tables.child_start, tables.children, np.float32(0), *corners, 0, 1]


def of_fill() -> list[Any]:
    """Return arguments that fill takes."""
    first = of_walk_grid()
    common = DecisionTables.of(load_taxonomy('street')).common
    images = [True, True, np.zeros((7, 9), np.uint8), np.zeros((7, 9), np.uint8)]
    return [*first[:3], common, *first[3:7], *axis(3, 7), *axis(4, 9), *images, 0, 1]


def of_planes() -> list[Any]:
    """Return arguments that the loop of TreePlanes takes."""
    start, children = np.array([0, 2, 4], np.int32), np.array([1, 2, 3, 4], np.int32)
    odds, planes = np.ones((3, 5, 4), np.float32), np.ones((5, 3, 5), np.float32)
    return [odds, 0, 3, np.array([0, 1], np.int32), start, children, planes]


def of_reduction() -> list[Any]:
    """Return arguments that the loop of `reduced` takes."""
    source, target = np.zeros((8, 30), np.uint8), np.zeros((4, 15), np.uint8)
    return [source, target, 0, 4, *_taps(8, 4), *_taps(10, 5)]


def of_walk_tree() -> list[Any]:
    """Return arguments that walk_tree takes, for a root of three children, one with two."""
    features, planes = np.ones((3, 20, 4), np.float32), np.ones((6, 3, 20), np.float32)
    start, children = (
        np.array([0, 3, 3, 5, 5, 5, 5], np.int32),
        np.array([1, 2, 5, 3, 4], np.int32),
    )
    weights, offsets = np.ones(80, np.float32), np.array([[0, 20], [40, 60]], np.int32)
    flags = [np.zeros(2, np.bool_), np.zeros(2, np.bool_)]
    turned = np.ones((2 * 2, 4, LANES), np.float32)
    widths = np.array([4, 4], np.int32)
    return [
        features,
        start,
        children,
        weights,
        offsets,
        widths,
        False,
        *flags,
        planes,
        turned,
        0,
        3,
    ]


def of_embed() -> list[Any]:
    """Return arguments that embed takes."""
    codes, weights = np.zeros((7, 4), np.int64), np.zeros((7, 4), np.float32)
    return [np.ones((7, 3), np.float32), codes, weights, 0, 1]


def of_filter_planes() -> list[Any]:
    """Return arguments that filter_planes takes."""
    planes, vertices = np.ones((2, 7), np.float32), np.ones((7, 4), np.int32)
    weights, neighbours = np.ones((7, 4), np.float32), np.full((4, 5, 2), 5, np.int32)
    return [planes, vertices, weights, neighbours, np.zeros((2, 7), np.float32), 0, 1]


KERNELS: dict[Any, Callable[[], list[Any]]] = {
    walk_grid: of_walk_grid,
    fill: of_fill,
    walk_tree: of_walk_tree,
    _fill: of_planes,
    _reduce_rows: of_reduction,
    embed: of_embed,
    filter_planes: of_filter_planes,
}


MAY_BE_LONGER = ((_fill, 6), (_reduce_rows, 0), (walk_tree, 3), (walk_tree, 10))
"""Further planes of nodes, lines of the image, weights, and room for tiles do no harm."""


def test_every_kernel_that_python_calls_is_checked() -> None:
    """One without `checked` is called by kernels only."""
    found, unchecked = set(), set()
    for path in (REPOSITORY / 'hiseg_ros').rglob('*.py'):
        tree = ast.parse(path.read_text())
        kernels = {}
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            names = [ast.unparse(decorator) for decorator in function.decorator_list]
            if not {'compiled', 'compiled_with_fma'}.isdisjoint(names):
                kernels[function.name] = any(name.startswith('checked(') for name in names)
        found |= {name for name, is_checked in kernels.items() if is_checked}
        unchecked |= {name for name, is_checked in kernels.items() if not is_checked}
    assert found == {kernel.__name__ for kernel in KERNELS}
    in_one_file = {'_walk_cell', '_beaten', '_byte', '_walk_row', '_exponentials'}
    in_one_file |= {'_mark', '_store', '_pass_on'}
    imported_by_kernels = {'candidates_of', 'find_winners', 'layer', 'shares', 'turn'}
    assert unchecked == in_one_file | imported_by_kernels


def bent(argument: Any, *, may_be_longer: bool) -> list[Any]:
    """Return what is wrong in place of an array or number."""
    if isinstance(argument, bool) or isinstance(argument, np.float32):
        return []
    if not isinstance(argument, np.ndarray):
        above = [] if argument == 1 else [argument + 10_000]  # there may be many workers
        return [argument - 10_000, *above]
    wrong: list[Any] = [
        argument[:0],
        argument[:-1],
        argument[None],
        argument.astype(np.float64),
        np.repeat(argument, 2, axis=-1)[..., ::2],
        argument[::-1] if len(argument) > 1 else argument[:0],
        argument.tolist(),
        None,
    ]
    if not may_be_longer:
        wrong.append(np.concatenate([argument, argument]))
    if argument.ndim > 1:
        wrong += [argument[..., :-1].copy(), np.asfortranarray(argument), argument[:, :0]]
    if argument.dtype == np.int32:
        for value in (-1, -(2**31), 2**31 - 1):
            for place in (0, -1):
                changed = argument.copy()
                changed[place] = value
                wrong.append(changed)
    return wrong


@pytest.mark.parametrize('kernel', KERNELS, ids=lambda kernel: f'{kernel.__module__}')
def test_wrong_arguments_are_refused_and_right_ones_are_not(kernel: Any) -> None:
    """Each argument in turn: empty, shorter, longer, of another rank, type, layout or range."""
    kernel(*KERNELS[kernel]())
    compiled_before = len(kernel.kernel.signatures)
    count = len(KERNELS[kernel]())
    for index in range(count):
        may_be_longer = (kernel, index) in MAY_BE_LONGER
        for wrong in bent(KERNELS[kernel]()[index], may_be_longer=may_be_longer):
            arguments = KERNELS[kernel]()
            arguments[index] = wrong
            with pytest.raises(ValueError, match=r'kernel got .* expected'):
                kernel(*arguments)
    assert len(kernel.kernel.signatures) == compiled_before


@pytest.mark.parametrize('kernel', KERNELS, ids=lambda kernel: f'{kernel.__module__}')
def test_what_a_kernel_writes_must_be_writable(kernel: Any) -> None:
    refused = 0
    for index, argument in enumerate(KERNELS[kernel]()):
        if isinstance(argument, np.ndarray):
            arguments = KERNELS[kernel]()
            arguments[index] = argument.copy()
            arguments[index].flags.writeable = False
            try:
                # Not the kernel, which would be compiled anew for read-only inputs.
                kernel.check(*arguments)
            except ValueError as problem:
                assert 'writable' in str(problem)  # noqa: PT017
                refused += 1
    written = {walk_grid: 3, fill: 5, _fill: 1, _reduce_rows: 1, embed: 2, filter_planes: 1}
    assert refused == {**written, walk_tree: 2}[kernel]


def test_trees_whose_walk_does_not_end_are_refused() -> None:
    """A node that is its own child, or has two parents."""
    for children in ([1, 1], [2, 2], [0, 1]):
        arguments = of_walk_grid()
        arguments[0] = np.ones((3, 3, 4), np.float32)
        arguments[1] = np.array([0, 1, 2, 2], np.int32)
        arguments[2] = np.array(children, np.int32)
        with pytest.raises(ValueError, match='kernel got'):
            walk_grid(*arguments)


def test_features_that_are_not_finite_are_refused() -> None:
    """They have no place in a lattice."""
    for value in (np.nan, np.inf, 1e7):
        arguments = of_embed()
        arguments[0][3, 1] = value
        with pytest.raises(ValueError, match='kernel got features'):
            embed(*arguments)


def test_classifiers_on_grids_of_different_size_are_refused() -> None:
    """As a hostile network puts them out; this wrote outside the planes."""
    packs = [
        Pack(*(np.array(row, np.int32) for row in rows))
        for rows in (([0], [0, 2], [1, 2]), ([1], [0, 2], [3, 4]))
    ]
    tree = TreePlanes(packs, 5)
    for first, second in (((2, 3), (64, 64)), ((64, 64), (2, 3)), ((4, 4), (4, 5))):
        odds = [np.ones((*first, 2), np.float32), np.ones((*second, 2), np.float32)]
        with pytest.raises(ValueError, match='kernel got odds'):
            tree(odds)


BOUNDS_ON = """
import numpy as np
from hiseg_ros.decision.classifiers import Classifier, ClassifierTree
from hiseg_ros.decision.sparse import decide_sparse
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.inference.backends.reduction import reduced
from hiseg_ros.inference.backends.tree_planes import tree_of, _fill
from hiseg_ros.taxonomy import load_taxonomy

rng = np.random.default_rng(0)
taxonomy = load_taxonomy('street')
tables = DecisionTables.of(taxonomy)
tree = tree_of(taxonomy, [sum(len(taxonomy.children(n)) for n in taxonomy.classifiers)])
def weights(node):
    count = len(taxonomy.children(node))
    shapes = ((6, 5), (6,), (count, 6), (count,))
    return Classifier(*(rng.normal(0, 1, shape).astype(np.float32) for shape in shapes))


walk = ClassifierTree(tables, [weights(node) for node in taxonomy.classifiers])
for grid, size in (((1, 1), (1, 1)), ((3, 130), (11, 257)), ((5, 2), (3, 1)), ((9, 9), (40, 31))):
    odds = np.exp(rng.normal(0, 4, (*grid, len(taxonomy) - 1))).astype(np.float32)
    for spoiled in (odds, np.full_like(odds, np.nan), np.full_like(odds, np.inf)):
        planes = tree([spoiled])
        for threshold in (0.0, 0.4, 1.0):
            decide_sparse(planes, tables, size, threshold)
    features = rng.normal(0, 1, (*grid, 5)).astype(np.float32)
    for spoiled in (features, np.full_like(features, np.nan), np.full_like(features, np.inf)):
        for plan in (None, walk.everywhere, walk.plan(taxonomy, 2, True)):
            decide_sparse(walk(spoiled, plan), tables, size, 0.3)
    decide_sparse(rng.normal(0, 1, planes.shape).astype(np.float32), tables, size, 0.3)
    image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    for target in ((1, 1), grid, (17, 2)):
        reduced(image, target)
try:
    short = np.zeros(0, np.int32)
    _fill.kernel(np.ones((2, 2, 4), np.float32), 0, 2, short + 1, short, short, planes[:0])
    _fill.kernel(np.ones((2, 2, 4), np.float32), 0, 2, np.ones(1, np.int32),
                 np.array([0, 9], np.int32), short, planes[:1, :1, :1].copy())
except IndexError:
    print('the bounds are checked')
"""


@pytest.mark.slow
def test_kernels_stay_inside_their_arrays(tmp_path: Path) -> None:
    """Compiled with bounds checks: an access outside an array raises, NaN in it or not."""
    result = subprocess.run(
        [sys.executable, '-c', BOUNDS_ON],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
        env={**os.environ, 'NUMBA_BOUNDSCHECK': '1', 'NUMBA_CACHE_DIR': str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == 'the bounds are checked'
