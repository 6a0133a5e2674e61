# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Wraps a flat network: reads it, maps its classes to the taxonomy, writes and verifies a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.export.flat.classes import ClassOrders, FlatClass, flat_classes
from hiseg_ros.export.flat.graph import FlatOptions, wrapped_model
from hiseg_ros.export.flat.network import FlatNetwork, open_flat_network
from hiseg_ros.export.flat.planes import FlatPlanes, flat_planes
from hiseg_ros.export.flat.reference import FlatReference, Meaning, Tensors, meaning_of
from hiseg_ros.export.flat.verification import Expected, FlatAgreement, verify_flat
from hiseg_ros.inference.backends.camera_image import network_bytes
from hiseg_ros.inference.model_file import ONNX
from hiseg_ros.inference.onnx_digest import add_digest
from hiseg_ros.model.info import INFO_KEY, ModelInfo, dump_info
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, RgbImage

STRIDE = 4
"""Default stride of the output in pixels of the input. At full resolution the planes of all nodes
would be a hundred times the image, and a frame would take seconds."""

LARGEST_FILE = 2**31 - 1
"""Largest size of a protocol buffer in bytes."""

SOFTMAX = ('auto', 'yes', 'no')


@dataclass(frozen=True)
class WrapOptions:
    """Options for a flat network; see `hiseg wrap --help`."""

    mapping: str
    classes: Path | None = None
    label_ids: bool = False
    nodes: MappingABC[str, str] = field(default_factory=dict)
    preprocessing: Preprocessing = Preprocessing()
    bgr: bool = False
    size: ImageSize | None = None
    stride: int = STRIDE
    softmax: str = 'auto'
    output_name: str = ''
    keep_tail: bool = False
    name: str = ''
    licence: str = ''


@dataclass(frozen=True)
class Wrapped:
    """Results of wrapping a flat network."""

    classes: tuple[FlatClass, ...]
    network: FlatNetwork
    meaning: Meaning
    stride: ImageSize
    """Rounded stride of the output (vertical, horizontal) in pixels of the input."""
    agreements: list[FlatAgreement]
    failures: list[str]
    """Errors of the runtimes that cannot run the file."""


def wrap_flat(
    path: Path,
    output: Path,
    taxonomy: Taxonomy,
    images: Sequence[RgbImage],
    options: WrapOptions,
) -> Wrapped:
    """Write an engine file of a flat network, if its results are those of the flat network.

    Args:
        path: ONNX file of the flat network.
        output: The .onnx file to write.
        taxonomy: The tree whose nodes are the labels.
        images: Images of any sizes on which both are compared, at least one.
        options: See `WrapOptions`.

    Raises:
        CheckpointError: The flat network cannot be used, or the results of the file differ.
        ConfigError: Options do not fit the network, a package is missing, or the file cannot be
            written.
        MappingError: The mapping does not fit the taxonomy.
    """
    if output.suffix != ONNX:
        raise ConfigError(f'--output {output} has the suffix {output.suffix!r}; expected {ONNX}.')
    orders = ClassOrders(options.mapping, taxonomy, options.classes, options.label_ids)
    network = open_flat_network(path, options.output_name, options.keep_tail)
    fixed = network.input.size
    if fixed and options.size not in (None, fixed):
        raise ConfigError(
            f'--size is {_by(options.size)}, but {path} has the fixed size {_by(fixed)}; expected '
            'that: omit --size, or export the network with open height and width.'
        )
    size = fixed or options.size
    inputs = [
        network_bytes(rgb, size or options.preprocessing.input_size((rgb.shape[0], rgb.shape[1])))
        for rgb in images
    ]
    tensors = _run(network, inputs, options)
    meaning = meaning_of(network.source, tensors[0][0], orders, options.softmax, path)
    classes = flat_classes(meaning.order, taxonomy, options.nodes)
    planes = flat_planes(classes, taxonomy)
    pooled = _pooling(inputs, tensors, meaning, options.stride)
    own = meaning_of(network.output, tensors[0][1], orders, 'guess', path)
    expected = [
        Expected(
            image[0], _grid(start, meaning, classes, pooled), _own(end, own, meaning, classes)
        )
        for image, (start, end) in zip(inputs, tensors, strict=True)
    ]
    model = wrapped_model(
        network,
        meaning,
        classes,
        planes.weights,
        FlatOptions(options.preprocessing, options.bgr, size, pooled),
    )
    info = ModelInfo(
        None,
        options.preprocessing,
        taxonomy,
        _card(path, classes, taxonomy, meaning, options),
        planes.walk,
    )
    onnx.helper.set_model_props(
        model,
        {
            **{entry.key: entry.value for entry in network.model.metadata_props},
            INFO_KEY: dump_info(info),
        },
    )
    agreements, failures = _save_and_verify(model, output, classes, planes, expected)
    height, width = inputs[0].shape[1:3]
    cells = expected[0].probabilities.shape[1:]
    return Wrapped(
        classes,
        network,
        meaning,
        (round(height / cells[0]), round(width / cells[1])),
        agreements,
        failures,
    )


def _by(size: ImageSize | None) -> str:
    return 'open' if size is None else f'{size[0]}x{size[1]}'


def _run(
    network: FlatNetwork, images: Sequence[NDArray[np.uint8]], options: WrapOptions
) -> list[Tensors]:
    """Return the results of the flat network for each image, with preprocessing outside of it."""
    reference = FlatReference(network)
    mean, std = options.preprocessing.mean, options.preprocessing.std
    if options.bgr:
        mean, std = mean[::-1], std[::-1]
    return [reference(network.input.prepared(image, mean, std, options.bgr)) for image in images]


def _sides(values: NDArray[Any], meaning: Meaning) -> tuple[int, int]:
    """Return height and width of the grid of a tensor with classes."""
    shape = values.shape
    height, width = {0: shape[1:3], 1: shape[2:4], 3: shape[1:3]}[meaning.axis]
    return height, width


def _pooling(
    images: Sequence[NDArray[np.uint8]], tensors: Sequence[Tensors], meaning: Meaning, stride: int
) -> int:
    """Return how many cells along each side are averaged for a stride of at most `stride`."""
    found = stride
    for image, (start, _) in zip(images, tensors, strict=True):
        for pixels, cells in zip(image.shape[1:3], _sides(start, meaning), strict=True):
            wanted = max(1, stride * cells // pixels)
            found = max(
                number for number in range(1, min(found, wanted) + 1) if cells % number == 0
            )
    return found


def _of_classes(
    channels: NDArray[np.float64], classes: Sequence[FlatClass]
) -> NDArray[np.float64]:
    return np.stack([channels[list(one.channels)].sum(0) for one in classes])


def _grid(
    values: NDArray[Any], meaning: Meaning, classes: Sequence[FlatClass], pooled: int
) -> NDArray[np.float64]:
    """Return (C, h, w) class probabilities, averaged over cells."""
    planes = _of_classes(meaning.probabilities(values), classes)
    count, height, width = planes.shape
    blocks = planes.reshape(count, height // pooled, pooled, width // pooled, pooled)
    return blocks.mean((2, 4))


def _own(
    values: NDArray[Any], own: Meaning, source: Meaning, classes: Sequence[FlatClass]
) -> NDArray[np.int64]:
    """Return the index of the class at each pixel of the flat network's own output."""
    if own.is_label_map and not source.is_label_map:
        # The values of an argmax are channels of its input.
        own = replace(own, order=replace(source.order, labels=(*source.order.labels, None)))
    planes = _of_classes(own.probabilities(values), classes)
    best: NDArray[np.int64] = planes.argmax(0)
    return best


def _card(
    path: Path,
    classes: Sequence[FlatClass],
    taxonomy: Taxonomy,
    meaning: Meaning,
    options: WrapOptions,
) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        'name': options.name or path.stem,
        'recipe': f'A flat network of another project, {path.name}, wrapped by `hiseg wrap`.',
        'licence': options.licence or 'not stated: see where the flat network comes from',
        'training_sets': [],
        'scores': {},
        'flat_network': {
            'file': path.name,
            'sha256': digest,
            'mapping': meaning.order.mapping.name,
            'classes': [
                {
                    'channels': list(one.channels),
                    'label': one.name,
                    'label_id': one.label_id,
                    'node': taxonomy.nodes[one.node_id].name,
                }
                for one in classes
            ],
        },
    }


def _save_and_verify(
    model: Any,
    output: Path,
    classes: Sequence[FlatClass],
    planes: FlatPlanes,
    expected: Sequence[Expected],
) -> tuple[list[FlatAgreement], list[str]]:
    """Write the file to a temporary folder, verify it, and move it to its place."""
    if model.ByteSize() > LARGEST_FILE:
        raise ConfigError(
            f'The network has {model.ByteSize()} bytes; expected at most {LARGEST_FILE}, the '
            'largest size of an ONNX file.'
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix='.wrap_') as folder:
            path = Path(folder) / f'unverified{ONNX}'
            onnx.save(model, path)
            add_digest(path)
            verified = verify_flat(path, output, classes, planes, expected)
            os.replace(path, output)
    except OSError as problem:
        raise ConfigError(f'--output {output} cannot be written: {problem}.') from problem
    return verified
