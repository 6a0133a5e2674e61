# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Divides an exported network with a cut tree: what is below the cuts runs where it is needed.

The path that the classifiers below the cuts read sees a few dozen pixels around a grid point. So
it gives the same in a tile of the image as in all of it, except at the tile's sides. A tile holds
a sign and is a twentieth of an image of 512x1024.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import Model

from hiseg_ros.decision.cut_planes import CutPlanes, Reach, tiles_over, whole
from hiseg_ros.inference.exported_graph import BELOW, FRONTIER
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import Wanted

VALID_POINTS = 12
"""Valid grid points along a tile's side at least: 96 pixels, so that one tile holds a sign."""

LARGEST_SHARE = 0.5
"""Area of all tiles, of that of the image, up to which they are faster than the whole image."""

Compile = Callable[[Any], Any]
"""From a model to a request."""


class CutNetwork:
    """Both parts of a network with a cut tree, and the requests of the second one."""

    def __init__(
        self, first: Any, second: Any, stride: int, reach: Reach, planes: CutPlanes
    ) -> None:
        """Keep the parts.

        Args:
            first: Model from images to the probabilities (1, F, h, w) of the frontier.
            second: Model from images to the shares (1, K, h, w) below each cut.
            stride: Pixels from one grid point to the next.
            reach: Points at the sides of the second model's output that depend on what is
                outside.
            planes: For the probabilities of all nodes.
        """
        self.first = first
        self._second = second
        self._stride = stride
        self._reach = reach
        self._planes = planes
        self._side = VALID_POINTS + reach.before + reach.after
        self._requests: dict[tuple[int, ...], Any] = {}
        self.tiles = 0
        """Tiles that the last call of `needed` ran."""

    def above(self, frontier: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (V, h, w) probabilities of all nodes that are not below a cut; others are 0."""
        return self._planes.above(frontier)

    def everywhere(
        self,
        frontier: NDArray[np.float32],
        images: NDArray[np.uint8],
        compiled: Compile,
        is_size_kept: bool,
    ) -> NDArray[np.float32]:
        """Return the probabilities of all nodes; valid until the next call.

        Args:
            frontier: (F, h, w), what `first` said of the images.
            images: (1, H, W, 3).
            compiled: Makes a request of a model.
            is_size_kept: Whether a request for this size is compiled and kept.
        """
        planes = self._planes.above(frontier)
        request = self._request(images.shape if is_size_kept else (), compiled)
        self._planes.fill(_shares(request, images), whole(*planes.shape[1:]))
        return planes

    def is_enough(self, wanted: Wanted) -> bool:
        """Return whether nodes below the cuts are read nowhere but where labels are decided."""
        if not wanted.probabilities:
            return True
        return wanted.deepest is not None and wanted.deepest < self._planes.highest_below

    def read_below(self, wanted: Wanted) -> int | None:
        """Return the node at whose pixels all that is below it is read, if there is one."""
        is_read = wanted.probabilities and wanted.subclasses
        return self._planes.taxonomy.subclass_root if is_read else None

    def needed(
        self,
        frontier: NDArray[np.float32],
        images: NDArray[np.uint8],
        compiled: Compile,
        top: int | None,
    ) -> NDArray[np.float32] | None:
        """Return probabilities as `everywhere`, those below cuts where they are read, else 0.

        Args:
            frontier: (F, h, w).
            images: (1, H, W, 3).
            compiled: Makes a request of a model.
            top: A node at whose pixels all that is below it is read; None for where labels are.

        Returns:
            None where the whole image is faster.
        """
        height, width = frontier.shape[1:]
        side, stride = self._side, self._stride
        self.tiles = 0
        if min(height, width) < side:
            return None
        planes = self._planes.above(frontier)
        tiles = list(tiles_over(self._planes.needed(planes, top), side, self._reach))
        if len(tiles) * side**2 > LARGEST_SHARE * height * width:
            return None
        # Compiled with the first image, not when the first sign comes.
        request = self._request((1, side * stride, side * stride, images.shape[3]), compiled)
        for tile in tiles:
            y, x = tile.top * stride, tile.left * stride
            window = np.ascontiguousarray(images[:, y : y + side * stride, x : x + side * stride])
            self._planes.fill(_shares(request, window), tile)
        self.tiles = len(tiles)
        return planes

    def drop(self, shape: tuple[int, ...]) -> None:
        """Drop the request of a size, if there is one."""
        self._requests.pop(shape, None)

    def _request(self, shape: tuple[int, ...], compiled: Compile) -> Any:
        """Return the request of a size, or with () that of open sides."""
        if shape not in self._requests:
            model = self._second.clone()
            if shape:
                model.reshape({0: list(shape)})
            self._requests[shape] = compiled(model)
        return self._requests[shape]


def cut_network(model: Any, taxonomy: Taxonomy, cut_at: Sequence[str]) -> CutNetwork | None:
    """Return the parts of a network with a cut tree.

    Args:
        model: As read from a file of `hiseg export`; it stays as it is.
        taxonomy: Its tree.
        cut_at: Names of the nodes at which the tree is cut.

    Returns:
        The parts; None where what is below the cuts has no path of its own, or sees too much.
    """
    planes = CutPlanes(taxonomy, [taxonomy.node_id(name) for name in cut_at])
    names = {node.get_friendly_name(): node for node in model.get_ops()}
    below = [BELOW.format(number) for number in range(len(planes.cuts))]
    if any(name not in names for name in (FRONTIER, *below)):
        return None
    counts = [names[name].get_output_partial_shape(0)[1] for name in (FRONTIER, *below)]
    wanted = [len(planes.frontier), *map(len, planes.leaves)]
    if not all(count.is_static for count in counts) or wanted != [
        count.get_length() for count in counts
    ]:
        return None
    first = Model([_softmax(names[FRONTIER])], model.get_parameters(), model.get_friendly_name())
    own = model.clone()
    names = {node.get_friendly_name(): node for node in own.get_ops()}
    second = Model(
        [_softmax(names[name]) for name in below],
        own.get_parameters(),
        model.get_friendly_name(),
    )
    seen = _sight(second)
    if seen is None:
        return None
    stride, before, after = seen
    return CutNetwork(first, second, stride, Reach(-(-before // stride), after // stride), planes)


def _softmax(logits: Any) -> Any:
    """Return the output of the softmax that reads logits."""
    return next(
        reader.get_node().output(0)
        for reader in logits.output(0).get_target_inputs()
        if reader.get_node().get_type_name() == 'Softmax'
    )


_POINTWISE = (
    'Add', 'Subtract', 'Multiply', 'Divide', 'Relu', 'HSwish', 'HSigmoid', 'Swish', 'Sigmoid',
    'Clamp', 'Convert', 'Transpose', 'Softmax', 'Maximum', 'Minimum', 'FakeQuantize',
)  # fmt: skip
"""Operations whose results at a point depend on their inputs there (`Softmax` over channels)."""


def _sight(model: Any) -> tuple[int, int, int] | None:
    """Return a model's stride and how many pixels its points see before and after their own.

    Returns:
        None where a point may see all of the image.
    """
    seen: dict[str, tuple[int, int, int] | None] = {}
    found: list[tuple[int, int, int]] = []
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        sources = [
            seen[value.get_node().get_friendly_name()]
            for value in node.input_values()
            if seen[value.get_node().get_friendly_name()] is not None
        ]
        own: tuple[int, int, int] | None = None
        if kind == 'Parameter':
            own = (1, 0, 0)
        elif kind == 'Result':
            found += [one for one in sources if one is not None]
        elif sources and kind != 'ShapeOf':
            strides, befores, afters = zip(*(one for one in sources if one), strict=True)
            if len(set(strides)) > 1:
                return None
            own = (strides[0], max(befores), max(afters))
            if kind in ('Convolution', 'GroupConvolution'):
                step = _step(node, own)
                if step is None:
                    return None
                own = step
            elif kind not in _POINTWISE:
                return None
        seen[node.get_friendly_name()] = own
    if len({stride for stride, _, _ in found}) != 1:
        return None
    return found[0][0], max(one[1] for one in found), max(one[2] for one in found)


def _step(node: Any, given: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Return stride and sight behind a convolution, None where its sides are unequal."""
    stride, before, after = given
    settings = node.get_attributes()
    kernel = node.input_value(1).get_partial_shape()
    sides = {kernel[-1].get_length(), kernel[-2].get_length()}
    steps, rates = set(settings['strides']), set(settings['dilations'])
    pads = {*settings['pads_begin'], *settings['pads_end']}
    if any(len(values) > 1 for values in (sides, steps, rates, pads)):
        return None
    side, step, rate, pad = sides.pop(), steps.pop(), rates.pop(), pads.pop()
    first = before + pad * stride
    last = after + ((side - 1) * rate - pad) * stride
    return stride * step, first, last


def _shares(request: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return the shares below each cut, in the request's memory."""
    results = request.infer([images], share_inputs=True, share_outputs=True)
    return [result[0] for result in results.values()]
