# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compares a wrapped file with the original flat network, in every installed runtime."""

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
"""Largest difference of a class's probability in a cell; 4e-6 was measured with trained weights
and 1e-3 with steep random ones."""

LEAST_CLASSES = 0.999
"""Least share of cells with the class of the flat network; 1 was measured."""

TIE = 1e-5
"""Difference of two probabilities up to which either class is accepted."""

LEAST_SURE = 0.999
"""Least share of labels that are the class of the flat network where it has more than half of the
probability; there the decision can only differ by rounding."""

LEAST_OUTPUT = 0.8
"""Least share of pixels with the class of the flat network's own output. Without its last
upsampling, probabilities are interpolated instead of scores, which moves borders by about a pixel,
and averaged cells lose what is narrower than a cell. 0.996 was measured with trained weights and
0.91 with random ones, whose classes change from cell to cell."""


@dataclass(frozen=True)
class FlatAgreement:
    """How near a wrapped file comes to the flat network, over some images."""

    program: str
    """Name of the runtime that ran the file."""
    images: int
    largest_difference: float
    """Largest difference of any class's probability in any cell."""
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
    """Results of the flat network for an image."""

    rgb: RgbImage
    """(h, w, 3) uint8 of the size of the network's input."""
    probabilities: NDArray[np.float64]
    """(C, grid h, grid w) probability of each class."""
    output: NDArray[np.int64]
    """Index of the class at each pixel of the network's own output, of any size."""


def installed_runtimes() -> list[str]:
    """Return the backends for .onnx files that are installed."""
    return [  # not TensorRT, which compiles for minutes
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
    """Compare a wrapped file with the flat network in every installed runtime.

    Args:
        path: The file.
        name: Its name in messages.
        classes: Classes of the network.
        planes: Planes of the file.
        expected: Results of the flat network for at least one image.

    Returns:
        One agreement for each runtime, and the errors of those that cannot run the file.

    Raises:
        CheckpointError: The results of a runtime differ, or none can run the file.
        ConfigError: A package of the decision is missing.
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
            else f'{name} cannot be verified: neither onnxruntime nor openvino is installed.'
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
        except Exception as problem:  # the runtimes' errors have no common base class
            raise CheckpointError(
                f'{program} cannot run {path} ({reason_of(problem)}); expected it to run what the '
                'flat network runs in.'
            ) from problem
        found = np.array(nodes)[list(planes.plane_of_class)]
        if found.shape != one.probabilities.shape:
            raise CheckpointError(
                f'{program} has a grid of {found.shape[1:]} cells for {size}; expected '
                f'{one.probabilities.shape[1:]} as in the flat network.'
            )
        differences.append(np.abs(found - one.probabilities).max())
        of_found = np.take_along_axis(one.probabilities, found.argmax(0)[None], 0)[0]
        cells.append((of_found >= one.probabilities.max(0) - TIE).ravel())
        at_output = _best(found, one.output.shape)[0]
        pixels.append((at_output == one.output).ravel())
        best, highest = _best(one.probabilities.astype(np.float32), size)
        decided, _, _ = decision(nodes, size, 0.0, LABELS_ALONE)
        labels.append((decided == node_of_class[best]).ravel())
        # At exactly half, rounding decides.
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
    # Not `>`: a difference of NaN must not pass.
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
            f'{name} has the class of the original output in {one.equal_output:.2%} of the '
            f'pixels; expected at least {LEAST_OUTPUT:.0%}: use --keep-tail or a smaller '
            '--stride, or compare them on your own --images.'
        )
