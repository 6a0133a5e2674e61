# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Time of the network by kind of layer, from the performance counters of OpenVINO."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.inference.open_model import open_backend, shipped_file
from hiseg_ros.types import RgbImage

MOST = 15
"""Number of kinds of layers that are listed."""


def layer_times(
    model: Path | None,
    precision: str,
    rgb: RgbImage,
    *,
    frames: int,
    warm_up: int,
    input_height: int = 0,
) -> dict[str, Any]:
    """Run the network with performance counters.

    Args:
        model: A .onnx file; None for the shipped one.
        precision: Precision of the convolutions; see `Engine`.
        rgb: (H, W, 3) uint8, the image.
        frames: Runs that are counted.
        warm_up: Runs before the counted ones.
        input_height: Shorter side of the network's input; 0 = the weights' rule.

    Returns:
        'model', 'precision', 'size' and 'input_size' (height, width), 'network_ms' median, and
        'layers': 'kind', 'kernel' and 'ms' per run, for the `MOST` slowest and the rest.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: OpenVINO is not installed, or does not support the file.
    """
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend

    path = model or shipped_file('openvino', 'cpu', precision)
    backend, _, _ = open_backend(
        path, backend='openvino', device='cpu', precision=precision, input_height=input_height
    )
    images = backend.prepare(rgb)
    assert isinstance(backend, OpenVinoBackend)
    request = backend.request(images.shape, PERF_COUNT=True)
    runs: list[float] = []
    of_kind: defaultdict[tuple[str, str], float] = defaultdict(float)
    for number in range(warm_up + frames):
        began = time.perf_counter()
        results = request.infer([images], share_inputs=True, share_outputs=True)
        inferred = time.perf_counter()
        backend.planes([result[0] for result in results.values()])
        ended = time.perf_counter()
        if number < warm_up:
            continue
        runs.append(1e3 * (ended - began))
        of_kind['node probabilities', 'numba'] += 1e3 * (ended - inferred) / frames
        for layer in request.get_profiling_info():
            kind = (layer.node_type, layer.exec_type)
            of_kind[kind] += 1e3 * layer.real_time.total_seconds() / frames
    backend.close()
    spread = Spread.of(runs)
    longest = sorted(of_kind.items(), key=lambda item: -item[1])
    layers = [
        {'kind': kind, 'kernel': kernel, 'ms': round(milliseconds, 3)}
        for (kind, kernel), milliseconds in longest[:MOST]
    ]
    rest = sum(milliseconds for _, milliseconds in longest[MOST:])
    return {
        'model': path.name,
        'precision': backend.precision,
        'size': list(rgb.shape[:2]),
        'input_size': list(images.shape[1:3]),
        'network_ms': vars(spread) if spread else None,
        'layers': [*layers, {'kind': 'the rest', 'kernel': '', 'ms': round(rest, 3)}],
    }
