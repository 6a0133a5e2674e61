# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Divides an exported network for OpenVINO: features in the runtime, the tree in our own loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Type, opset13

from hiseg_ros.decision.classifiers import Classifier, ClassifierTree
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.inference.backends.tree_planes import TreePlanes, tree_of
from hiseg_ros.inference.exported_graph import BRANCHES, LARGEST_LOGIT, LOGITS
from hiseg_ros.taxonomy import Taxonomy

LAST = np.array([0, 2, 3, 1])
FIRST = np.array([0, 3, 1, 2])
"""Orders of the sides that put channels last, as convolutions on a CPU compute them, or first."""


@dataclass(frozen=True)
class DividedModel:
    """A network in the parts that are run one after the other."""

    first: Any
    """Model from images to (1, h, w, C) features, or to odds where the classifiers read more than
    single points of them."""
    odds: Any
    """Model from features to odds of every child, (1, h, w, K) for each convolution; or None."""
    classifiers: ClassifierTree | None
    """From features to the probabilities that labels depend on, if `first` ends with features."""
    planes: TreePlanes
    """From odds to all probabilities."""


def divided(model: Any, taxonomy: Taxonomy) -> DividedModel | None:
    """Return the parts of a network with a classifier for each inner node.

    Args:
        model: As read from a file of `hiseg export`; it stays as it is.
        taxonomy: Tree of the classifiers.

    Returns:
        The parts; None for any other network, such as one with a softmax over all leaves.
    """
    names = _named(model)
    ends = _ends(names)
    counts = [values.get_partial_shape()[1] for values in ends]
    if not all(count.is_static for count in counts):
        return None
    planes = tree_of(taxonomy, [count.get_length() for count in counts])
    if planes is None:
        return None
    has_scores = any(
        name.startswith('/head/') and node.get_type_name() == 'Sigmoid'
        for name, node in names.items()
    )
    weights = _all_weights(names, len(ends))
    if weights is None:
        odds = [odds_of(values, has_scores) for values in ends]
        first = Model(odds, model.get_parameters(), model.get_friendly_name())
        return DividedModel(first, None, None, planes)
    end = opset13.transpose(_features(names[BRANCHES.format(0)]), LAST).output(0)
    first = Model([end], model.get_parameters(), model.get_friendly_name())
    classifiers = ClassifierTree(
        DecisionTables.of(taxonomy), _classifiers(weights, taxonomy), has_scores
    )
    odds_model = _odds_model(model.clone(), weights[0].branch.shape[1], has_scores)
    return DividedModel(first, odds_model, classifiers, planes)


def odds_of(logits: Any, has_scores: bool) -> Any:
    """Return the output with the odds of every child, channels last, for a convolution's."""
    limited = opset13.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
    odds = opset13.sigmoid(limited) if has_scores else opset13.exp(limited)
    return opset13.transpose(odds, LAST).output(0)


def _named(model: Any) -> dict[str, Any]:
    """Return the operations of a model by name."""
    return {node.get_friendly_name(): node for node in model.get_ops()}


def _ends(names: dict[str, Any]) -> list[Any]:
    """Return the outputs of the last convolutions, in order."""
    ends: list[Any] = []
    while (name := LOGITS.format(len(ends))) in names:
        ends.append(names[name].output(0))
    return ends


def _all_weights(names: dict[str, Any], packs: int) -> list[Classifier] | None:
    """Return the weights of both layers of each pack, None if they do not read one feature map."""
    branches = [names.get(BRANCHES.format(number)) for number in range(packs)]
    weights = [
        _weights(branch, names[LOGITS.format(number)])
        for number, branch in enumerate(branches)
        if branch is not None
    ]
    found = [one for one in weights if one is not None]
    if len(found) != packs:
        return None
    sources = {_features(branch).get_node().get_friendly_name() for branch in branches}
    return found if len(sources) == 1 else None


def _features(branch: Any) -> Any:
    """Return the output that a first layer reads."""
    return branch.input_value(0).get_node().input_value(0)


def _weights(branch: Any, logits: Any) -> Classifier | None:
    """Return the weights of two layers, None if they are no convolutions of single points."""
    arrays: list[NDArray[np.float32]] = []
    for layer in (branch, logits):
        convolution = layer.input_value(0).get_node()
        is_layer = layer.get_type_name() == 'Add'
        if not is_layer or convolution.get_type_name() != 'Convolution':
            return None
        kernel, bias = _value(convolution.input_value(1)), _value(layer.input_value(1))
        if kernel is None or bias is None or kernel.shape != (bias.size, kernel.shape[1], 1, 1):
            return None
        arrays += [kernel[..., 0, 0].astype(np.float32), bias.reshape(-1).astype(np.float32)]
    # The second layer has to read the first one's ReLU, and all of it.
    between = logits.input_value(0).get_node().input_value(0).get_node()
    if between.get_type_name() != 'Relu' or arrays[2].shape[1] != len(arrays[0]):
        return None
    is_next = between.input_value(0).get_node().get_friendly_name() == branch.get_friendly_name()
    return Classifier(*arrays) if is_next else None


def _value(output: Any) -> NDArray[Any] | None:
    """Return a constant, which int8 files store behind a few operations; else None."""
    node = output.get_node()
    kind = node.get_type_name()
    if kind == 'Constant':
        return np.array(node.get_data())
    if kind not in ('Convert', 'Reshape', 'Subtract', 'Multiply'):
        return None
    first = _value(node.input_value(0))
    if first is None or kind == 'Convert':
        return None if first is None else first.astype(np.float32)
    if kind == 'Reshape':
        shape = output.get_partial_shape()
        return first.reshape(shape.to_shape()) if shape.is_static else first
    second = _value(node.input_value(1))
    if second is None:
        return None
    return first - second if kind == 'Subtract' else first * second


def _classifiers(packs: list[Classifier], taxonomy: Taxonomy) -> list[Classifier]:
    """Return the classifiers of packs, each with the part of the first layer that it reads."""
    found: list[Classifier] = []
    waiting = list(taxonomy.classifiers)
    for pack in packs:
        first = 0
        while first < len(pack.logits):
            rows = slice(first, first + len(taxonomy.children(waiting.pop(0))))
            first = rows.stop
            read = np.flatnonzero(pack.logits[rows].any(0))
            read = read if read.size else np.zeros(1, np.intp)
            found.append(
                Classifier(
                    pack.branch[read], pack.branch_bias[read],
                    pack.logits[rows][:, read], pack.logits_bias[rows],
                )
            )  # fmt: skip
    return found


def _odds_model(model: Any, channels: int, has_scores: bool) -> Any:
    """Return the model from features to odds; `model` is taken apart."""
    names = _named(model)
    features = _features(names[BRANCHES.format(0)])
    # In int8 they are rounded to bytes and back; a second time changes nothing, and the runtime
    # multiplies bytes only after it.
    node = features.get_node()
    while node.get_type_name() in ('Multiply', 'Subtract', 'Convert'):
        node = node.input_value(0).get_node()
    if node.get_type_name() == 'FakeQuantize':
        features = node.input_value(0)
    given = opset13.parameter([1, -1, -1, channels], Type.f32)
    first = opset13.transpose(given, FIRST).output(0)
    for reader in features.get_target_inputs():
        reader.replace_source_output(first)
    ends = [odds_of(values, has_scores) for values in _ends(names)]
    return Model(ends, [given], model.get_friendly_name())
