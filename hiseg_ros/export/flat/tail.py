# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The end of a flat network's graph: its argmax and upsampling, and the tensor before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import helper

SCORES, PROBABILITIES, LABEL_MAP = 'scores', 'probabilities', 'label map'
"""Kinds of tensors by the operator that computes them; scores may be anything."""

PASSING = ('Identity', 'Cast', 'Squeeze', 'Unsqueeze')
"""Operators that do not change the values of labels."""

ALIGNED = ('half_pixel', 'pytorch_half_pixel')
"""Modes of Resize that align pixels as the decision does when it interpolates."""


def _attribute(node: Any, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            value = helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    return default


def kind_of_tensor(name: str, producers: Mapping[str, Any]) -> str:
    """Return the kind of a tensor by the operator that computes it."""
    if _argmax_before(name, producers) is not None:
        return LABEL_MAP
    node = _skipping(name, producers, ('Identity', 'Cast'))
    if node is not None and node.op_type == 'Resize' and _attribute(node, 'mode', '') != 'cubic':
        # Means of probabilities are probabilities.
        node = _skipping(node.input[0], producers, ('Identity', 'Cast'))
    return PROBABILITIES if node is not None and node.op_type == 'Softmax' else SCORES


def _skipping(name: str, producers: Mapping[str, Any], passing: tuple[str, ...]) -> Any:
    """Return the operator that computes a tensor, skipping some kinds; None for an input."""
    node = producers.get(name)
    while node is not None and node.op_type in passing:
        node = producers.get(node.input[0])
    return node


def _argmax_before(name: str, producers: Mapping[str, Any]) -> Any:
    node = _skipping(name, producers, PASSING)
    return node if node is not None and node.op_type == 'ArgMax' else None


def _is_enlargement(node: Any) -> bool:
    """Return whether a Resize only upsamples cells to pixels, as the decision does too."""
    mode = _attribute(node, 'mode', 'nearest')
    placing = _attribute(node, 'coordinate_transformation_mode', 'half_pixel')
    # Repeated cells keep their position with either formula if the factor is an integer.
    return (mode == 'linear' and placing in ALIGNED) or (
        mode == 'nearest' and placing in (*ALIGNED, 'asymmetric')
    )


def before_tail(output: str, producers: Mapping[str, Any]) -> str:
    """Return the tensor before the last argmax and the upsampling before that.

    A sigmoid is skipped too: for classes that exclude each other, softmax of the same scores is
    used.
    """
    argmax = _argmax_before(output, producers)
    name = str(argmax.input[0]) if argmax is not None else output
    name = _before_sigmoid(name, producers)
    node = _skipping(name, producers, ('Identity', 'Cast'))
    if node is not None and node.op_type in ('Softmax', 'LogSoftmax'):
        node = _skipping(node.input[0], producers, ('Identity', 'Cast'))
    if node is not None and node.op_type == 'Resize' and _is_enlargement(node):
        return _before_sigmoid(str(node.input[0]), producers)
    return name


def _before_sigmoid(name: str, producers: Mapping[str, Any]) -> str:
    node = _skipping(name, producers, ('Identity', 'Cast'))
    return str(node.input[0]) if node is not None and node.op_type == 'Sigmoid' else name
