# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The proof that a wrapped file says what the flat network says, one runtime after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, reason_of
from hiseg_ros.export.flat.classes import FlatClass
from hiseg_ros.export.flat.planes import FlatPlanes
from hiseg_ros.inference.model_file import ONNX
from hiseg_ros.inference.open_model import BACKENDS, open_backend
from hiseg_ros.types import ImageSize, RgbImage, Wanted

LABELS_ALONE = Wanted(confidence=False, probabilities=False)

LARGEST_DIFFERENCE = 0.01
"""Of a class's probability in a cell; measured are 4e-6 with trained weights and 1e-3 with steep
random ones."""

LEAST_CLASSES = 0.999
"""Share of cells with the flat network's class; measured are 1."""

TIE = 1e-5
"""Of two probabilities: where rounding decides, either class is right."""

LEAST_SURE = 0.999
"""Share of labels that are the flat network's class where it has more than half of the
probability; the walk cannot miss it there but for rounding."""

LEAST_OUTPUT = 0.8
"""Share of pixels with the class that the flat network itself gives there. Where its last
enlargement was taken off, probabilities are interpolated instead of scores, which moves borders
by a pixel or so; where cells were pooled, what is narrower than a cell goes. Measured are 0.996
with trained weights and 0.91 with random ones, whose classes change from cell to cell."""


@dataclass(frozen=True)
class FlatAgreement:
    """How near a wrapped file comes to the flat network, over some images."""

    program: str
    """What ran the file."""
    images: int
    largest_difference: float
    """Of a class's probability in any cell."""
    equal_classes: float
    """Share of cells with the same class, in [0, 1]."""
    equal_output: float
    """Share of pixels of the flat network's own output with the same class, in [0, 1]."""
    equal_labels: float
    """Share of pixels labelled with the most probable class, in [0, 1]; see `flat_planes`."""
    equal_sure: float
    """The same where that class has more than half of the probability; NaN if nowhere."""


@dataclass(frozen=True)
class Expected:
    """What the flat network says about an image."""

    rgb: RgbImage
    """(h, w, 3), at a size of the network's input."""
    probabilities: NDArray[np.float64]
    """(C, grid h, grid w), of each class."""
    output: NDArray[np.int64]
    """Index of the class in each pixel of the network's own output, of any size."""


def installed_runtimes() -> list[str]:
    """Return the backends for .onnx files that are installed."""
    return [  # TensorRT compiles for minutes
        name
        for name, (kind, module) in BACKENDS.items()
        if kind == ONNX and name != 'tensorrt' and find_spec(module) is not None
    ]


def verify_flat(
    path: Path,
    name: Path,
    classes: Sequence[FlatClass],
    planes: FlatPlanes,
    expected: Sequence[Expected],
) -> tuple[list[FlatAgreement], list[str]]:
    """Run a wrapped file in every installed runtime.

    Args:
        path: The file.
        name: What it is called in messages.
        classes: Of the network.
        planes: Of the file.
        expected: What the flat network says, at least one image.

    Returns:
        One agreement for each runtime, and the words of those that cannot run the file.

    Raises:
        CheckpointError: A runtime computes something else, or none can run the file.
        ConfigError: The decision's packages are missing.
    """
    agreements, failures = [], []
    for program in installed_runtimes():
        try:
            agreements.append(_agreement(path, program, classes, planes, expected))
        except CheckpointError as problem:
            failures.append(str(problem).replace(str(path), str(name)))
    if not agreements:
        raise CheckpointError(
            f'No runtime runs {name}: {" ".join(failures)}'
            if failures
            else f'{name} is not proven: neither onnxruntime nor openvino is installed.'
        )
    for one in agreements:
        _check(one, name)
    return agreements, failures


def _agreement(
    path: Path,
    program: str,
    classes: Sequence[FlatClass],
    planes: FlatPlanes,
    expected: Sequence[Expected],
) -> FlatAgreement:
    backend, decision, _ = open_backend(
        path, backend=program, device='cpu', precision='float32', input_height=0
    )
    node_of_class = np.array([one.node_id for one in classes])
    differences, cells, pixels, labels, sure = [], [], [], [], []
    for one in expected:
        size = one.rgb.shape[0], one.rgb.shape[1]
        try:
            nodes = backend.node_probabilities(one.rgb[None])
        except Exception as problem:  # the runtimes' errors share no family
            raise CheckpointError(
                f'{program} cannot run {path} ({reason_of(problem)}); expected it to run what the '
                'flat network runs in.'
            ) from problem
        found = np.array(nodes)[list(planes.plane_of_class)]
        if found.shape != one.probabilities.shape:
            raise CheckpointError(
                f'{program} gives a grid of {found.shape[1:]} cells for {size}; expected '
                f'{one.probabilities.shape[1:]} as the flat network gives.'
            )
        differences.append(np.abs(found - one.probabilities).max())
        of_found = np.take_along_axis(one.probabilities, found.argmax(0)[None], 0)[0]
        cells.append((of_found >= one.probabilities.max(0) - TIE).ravel())
        at_output = _best(found, one.output.shape)[0]
        pixels.append((at_output == one.output).ravel())
        best, highest = _best(one.probabilities.astype(np.float32), size)
        decided, _, _ = decision(nodes, size, 0.0, LABELS_ALONE)
        labels.append((decided == node_of_class[best]).ravel())
        # Rounding decides where it is half.
        sure.append((highest > 0.5 + LARGEST_DIFFERENCE).ravel())
    backend.close()
    is_equal, is_sure = np.concatenate(labels), np.concatenate(sure)
    return FlatAgreement(
        program,
        len(expected),
        float(np.max(differences)),
        float(np.concatenate(cells).mean()),
        float(np.concatenate(pixels).mean()),
        float(is_equal.mean()),
        float(is_equal[is_sure].mean()) if is_sure.any() else float('nan'),
    )


def _best(
    planes: NDArray[np.float32], size: ImageSize | tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the most probable class at each pixel of a size and its probability."""
    at_size = np.stack(
        [cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) for plane in planes]
    )
    return at_size.argmax(0), at_size.max(0)


def _check(one: FlatAgreement, name: Path) -> None:
    # Not `>`: a difference that is no number must not pass.
    if not (one.largest_difference <= LARGEST_DIFFERENCE and one.equal_classes >= LEAST_CLASSES):
        raise CheckpointError(
            f'{name} run by {one.program} differs from the flat network by '
            f'{one.largest_difference:.2g} in probability and has its class in '
            f'{one.equal_classes:.2%} of the cells; expected at most {LARGEST_DIFFERENCE:g} and '
            f'at least {LEAST_CLASSES:.1%}: it is not written.'
        )
    if one.equal_sure < LEAST_SURE:
        raise CheckpointError(
            f'{name} run by {one.program} labels {one.equal_sure:.2%} of the pixels in which a '
            f'class has more than half of the probability with that class; expected at least '
            f'{LEAST_SURE:.1%}: it is not written.'
        )
    if one.equal_output < LEAST_OUTPUT:
        raise CheckpointError(
            f'{name} has the class that the flat network itself gives in {one.equal_output:.2%} '
            f'of the pixels; expected at least {LEAST_OUTPUT:.0%}: say --keep-tail or a smaller '
            '--stride, or prove it on your own --images.'
        )
