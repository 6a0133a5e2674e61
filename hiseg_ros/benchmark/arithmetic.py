# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lower limit of a frame's latency: the arithmetic of a network over the peak of the device.

python -m hiseg_ros.benchmark.arithmetic SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.errors import HisegError
from hiseg_ros.types import ImageSize

SIDES = {'cuda': 8192, 'cpu': 512}
"""Side of the square matrices by kind of device, so large that launching takes no time."""

PRODUCTS, ROUNDS = 10, 7
"""Matrix products in a round, and rounds, of which the median counts."""

PATIENCE_S = 2.0
"""Time after which no further round begins: a CPU without bfloat16 is a hundred times slower in
bfloat16 than in float32."""


@dataclass(frozen=True)
class ArithmeticSettings:
    """Settings of the process."""

    models: Sequence[str]
    """Weights files."""
    sizes: Sequence[ImageSize]
    """(H, W) of camera images."""
    device: str
    """Device of the matrix products: 'auto', 'cpu', 'cuda' or 'cuda:N'."""


def network_gflop(model: Path, size: ImageSize) -> float:
    """Return the arithmetic of a network for an image in GFLOP.

    A multiplication with its addition counts as two operations. Nothing is computed.

    Args:
        model: Weights file.
        size: (H, W) of the camera image, which gives the input size by the weights' rule.

    Raises:
        CheckpointError: The file cannot be used.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from hiseg_ros.model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(model)
    network = checkpoint.build().to('meta')
    height, width = checkpoint.preprocessing.input_size(size)
    images = torch.empty((1, 3, height, width), device='meta')
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.node_probabilities(network(images))
    return float(counter.get_total_flops()) / 1e9


def peak_tflops(device: str) -> tuple[float, str]:
    """Return the peak of matrix products on a device.

    Returns:
        TFLOP/s, and the faster of 'bfloat16' and 'float32', in which it was measured.

    Raises:
        DeviceError: There is no such device.
    """
    import torch

    from hiseg_ros.inference.torch_device import find_device

    found = find_device(device)
    side = SIDES[found.type]

    def finish() -> None:
        if found.type == 'cuda':
            torch.cuda.synchronize(found)

    numbers = torch.randn((2, side, side), device=found)
    rates = []
    for precision in ('bfloat16', 'float32'):
        one, other = numbers.to(getattr(torch, precision))
        seconds: list[float] = []
        # The first round also chooses kernels.
        while len(seconds) < ROUNDS and PRODUCTS * sum(seconds) < PATIENCE_S:
            finish()
            began = time.perf_counter()
            for _ in range(PRODUCTS):
                torch.mm(one, other)
            finish()
            seconds.append((time.perf_counter() - began) / PRODUCTS)
        rates.append((2 * side**3 / statistics.median(seconds) / 1e12, precision))
    return max(rates)


def add_limit(row: dict[str, Any], gflop: float | None, tflops: float | None) -> None:
    """Add the lower limit of the latency to an engine's row, and the latency relative to it.

    Args:
        row: Row of `engine_run.measure`; gets 'limit_ms' and 'frame_over_limit' if all values are
            known.
        gflop: Result of `network_gflop`.
        tflops: Result of `peak_tflops`.
    """
    if gflop and tflops and 'error' not in row:
        limit_ms = row['cameras'] * gflop / tflops
        row['limit_ms'] = round(limit_ms, 3)
        row['frame_over_limit'] = round(row['stages_ms']['frame']['median'] / limit_ms, 2)


def main(arguments: list[str]) -> int:
    """Write a row for every network and size, and one with the peak; or rows with 'error'."""
    source, target = map(Path, arguments)
    settings = ArithmeticSettings(**json.loads(source.read_text()))
    rows: list[dict[str, Any]] = []
    for model in settings.models:
        for height, width in settings.sizes:
            row: dict[str, Any] = {'model': Path(model).name, 'size': [height, width]}
            try:
                gflop = network_gflop(Path(model), (height, width))
                rows.append({**row, 'gflop': round(gflop, 2)})
            except HisegError as problem:
                rows.append({**row, 'error': str(problem)})
    try:
        tflops, precision = peak_tflops(settings.device)
        rows.append({'peak_tflops': float(f'{tflops:.4g}'), 'peak_precision': precision})
    except HisegError as problem:
        rows.append({'error': str(problem)})
    target.write_text(json.dumps(rows))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
