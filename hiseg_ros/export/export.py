# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Exports weights as an ONNX file or a torch program, and verifies the file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.decision import decide
from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.export.graph import ExportedNetwork
from hiseg_ros.inference.exported_graph import INPUT, OUTPUT
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.model_file import EXPORTED_PROGRAM, ONNX, read_info
from hiseg_ros.inference.onnx_digest import add_digest
from hiseg_ros.inference.open_model import BACKENDS
from hiseg_ros.interfaces import Backend
from hiseg_ros.model.checkpoint import Checkpoint
from hiseg_ros.model.decoders.checks import check_exportable
from hiseg_ros.model.info import INFO_KEY, dump_info
from hiseg_ros.types import ImageSize, RgbImage

OPSET = 17
"""Version of ONNX's operators, from 2022, which older runtimes on robots support."""

TRACED_SIZE = (96, 160)
"""(h, w) of the input with which a file for any size is traced; each stride has another grid."""

LARGEST_DIFFERENCE = 1e-3
"""Largest difference of a node's probability between file and reference. 6e-6 was measured with
trained weights, and 1e-4 with steep random ones, where the reference differs by 6e-5 from
float64."""

LEAST_AGREEMENT = 0.999
"""Least share of pixels with the same label in file and reference; 1 was measured with trained
weights and 0.9999 with random ones."""

Runner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(1, h, w, 3) uint8 to (V, h / stride, w / stride) float32."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of an exported file with the reference, over some images."""

    program: str
    """Name of the runtime that ran the file."""

    images: int
    """Number of images."""

    largest_difference: float
    """Largest difference of any node's probability in any cell."""

    equal_labels: float
    """Share of pixels with the same label, in [0, 1]."""


def export_network(checkpoint: Checkpoint, output: Path, size: ImageSize | None = None) -> None:
    """Write a network as a file from (N, h, w, 3) uint8 to node probabilities.

    Args:
        checkpoint: The weights; their info block is written into the file.
        output: A .onnx or .pt2 file.
        size: Fixed (h, w) of the input, with N = 1; None leaves N, h and w open.

    Raises:
        CheckpointError: The tensors do not fit the network.
        ConfigError: Size or suffix are not supported, the decoder cannot be exported, the file
            cannot be written, or the package onnx is missing.
    """
    check_exportable(checkpoint.network.decoder, checkpoint.network.decoder_options)
    multiple = checkpoint.preprocessing.multiple
    if size is not None and (min(size) < multiple or size[0] % multiple or size[1] % multiple):
        raise ConfigError(
            f'The size is {size[0]}x{size[1]}; expected multiples of {multiple}, such as '
            f'{_rounded(size[0], multiple)}x{_rounded(size[1], multiple)}.'
        )
    if output.suffix not in (ONNX, EXPORTED_PROGRAM):
        raise ConfigError(
            f'--output has the suffix {output.suffix!r}; expected {ONNX} or {EXPORTED_PROGRAM}.'
        )
    network = ExportedNetwork(
        checkpoint.build(), checkpoint.taxonomy, checkpoint.preprocessing
    ).eval()
    info = dump_info(checkpoint.info)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            if output.suffix == ONNX:
                _write_onnx(network, output, size, info)
            else:
                _write_program(network, output, size, info)
    except OSError as problem:
        raise ConfigError(f'--output {output} cannot be written: {problem}.') from problem


def _rounded(side: int, multiple: int) -> int:
    return max(1, round(side / multiple)) * multiple


def _write_onnx(network: ExportedNetwork, output: Path, size: ImageSize | None, info: str) -> None:
    if find_spec('onnx') is None:
        raise ConfigError(
            'Python has no module onnx, which writes ONNX files; expected it in this environment: '
            'pip install onnx.'
        )
    import onnx

    image = torch.zeros((1, *(size or TRACED_SIZE), 3), dtype=torch.uint8)
    axes = (
        {}
        if size
        else {
            INPUT: {0: 'n', 1: 'height', 2: 'width'},
            OUTPUT: {0: 'n', 2: 'grid_height', 3: 'grid_width'},
        }
    )
    with warnings.catch_warnings():
        # torch's older exporter, which traces the network: its files run as fast as those of the
        # newer one, it takes a twentieth of the time and needs one package less. It warns about
        # its age, and about sizes that it takes as constants; `verify` would find a wrong one.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (image,),
            str(output),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=axes,
        )
    model = onnx.load(output)
    onnx.helper.set_model_props(model, {INFO_KEY: info})
    onnx.save(model, output)
    add_digest(output)


def _write_program(
    network: ExportedNetwork, output: Path, size: ImageSize | None, info: str
) -> None:
    from torch.export import Dim

    # torch.export takes a batch size of one as a constant.
    image = torch.zeros((1 if size else 2, *(size or TRACED_SIZE), 3), dtype=torch.uint8)
    sides = (
        None
        if size
        else (
            {
                0: Dim('n', min=1, max=64),
                1: 32 * Dim('rows', min=1, max=256),
                2: 32 * Dim('columns', min=1, max=256),
            },
        )
    )
    program = torch.export.export(network, (image,), dynamic_shapes=sides)
    torch.export.save(program, output, extra_files={INFO_KEY: info})


def verify(checkpoint: Checkpoint, output: Path, images: Sequence[RgbImage]) -> list[Agreement]:
    """Compare an exported file with the weights.

    Args:
        checkpoint: The weights that were exported.
        output: The exported file.
        images: (h, w, 3) uint8 of the size of the file's input.

    Returns:
        One agreement for every installed runtime that runs the file.

    Raises:
        CheckpointError: The results of a runtime or the info block differ from the weights.
        ConfigError: No runtime is installed that runs the file.
    """
    # As text: a score of NaN is not equal to itself.
    if dump_info(read_info(output)) != dump_info(checkpoint.info):
        raise CheckpointError(
            f'The info block of {output} is not that of {checkpoint.path}; expected them equal: '
            'export it again.'
        )
    network = checkpoint.build()
    agreements = []
    for program, run in _runners(output, checkpoint).items():
        largest, equal, pixels = 0.0, 0, 0
        for rgb in images:
            with torch.inference_mode():
                prepared = checkpoint.preprocessing.normalize(
                    torch.from_numpy(rgb).permute(2, 0, 1)[None]
                )
                expected = network.node_probabilities(network(prepared))[0]
                found = torch.from_numpy(run(rgb[None]))
                largest = max(largest, float((found - expected).abs().max()))
                of_both = [
                    decide(nodes, checkpoint.taxonomy, rgb.shape[:2])[0]
                    for nodes in (found, expected)
                ]
            equal += int((of_both[0] == of_both[1]).sum())
            pixels += of_both[0].numel()
        agreement = Agreement(program, len(images), largest, equal / pixels)
        # Not `>`: a difference of NaN must not pass.
        if not (largest <= LARGEST_DIFFERENCE and agreement.equal_labels >= LEAST_AGREEMENT):
            raise CheckpointError(
                f'{output.name} run by {program} differs from {checkpoint.path} by '
                f'{largest:.2g} in probability and agrees in {agreement.equal_labels:.2%} of the '
                f'labels; expected at most {LARGEST_DIFFERENCE:g} and at least '
                f'{LEAST_AGREEMENT:.1%}: it cannot be used.'
            )
        agreements.append(agreement)
    return agreements


def _runners(output: Path, checkpoint: Checkpoint) -> dict[str, Runner]:
    """Return the installed runtimes that run the file, by name.

    Raises:
        ConfigError: None is installed.
    """
    if output.suffix == EXPORTED_PROGRAM:
        module: Any = torch.export.load(output).module()
        return {'torch.export': lambda images: module(torch.from_numpy(images))[0].numpy()}
    # Imported late: each may be missing.
    inputs = ExportedInput(checkpoint.preprocessing)
    opened: list[Backend] = []
    if find_spec(BACKENDS['onnx_runtime'][1]) is not None:
        from hiseg_ros.inference.backends.onnx_runtime import OnnxRuntimeBackend

        opened.append(OnnxRuntimeBackend(output, inputs, 'cpu'))
    if find_spec(BACKENDS['openvino'][1]) is not None:
        from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend

        cuts = checkpoint.network.cut_at
        opened.append(
            OpenVinoBackend(output, inputs, 'cpu', taxonomy=checkpoint.taxonomy, cut_at=cuts)
        )
    if not opened:
        raise ConfigError(
            f'{output.name} cannot be verified: Python has neither onnxruntime nor openvino; '
            'expected one of them: pip install onnxruntime.'
        )
    return {backend.name: backend.node_probabilities for backend in opened}
