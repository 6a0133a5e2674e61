# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where the network's time goes: OpenVINO's own counters, summed by kind of layer."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.inference.choice import open_backend, shipped_file
from hiseg_ros.types import RgbImage

MOST = 15
"""Kinds that are listed."""


def layer_times(
    model: Path | None, precision: str, rgb: RgbImage, *, frames: int, warm_up: int,
    input_height: int = 0,
) -> dict[str, Any]:
    """Run the network with counters.

    Args:
        model: A .onnx file; None for the shipped one.
        precision: As everywhere.
        rgb: (H, W, 3) uint8, what it is run on.
        frames: Runs that are counted.
        warm_up: Runs before.
        input_height: Shorter side of the network's input; 0 = the weights' rule.

    Returns:
        'model', 'precision', 'size' and 'input_size' (height, width), 'network_ms' median, and
        'layers': kind, its kernel and milliseconds a run, the longest `MOST` of them and the rest.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: OpenVINO is not installed, or does not fit the file.
    """
    path = model or shipped_file('openvino', 'cpu', precision)
    backend, _, _ = open_backend(
        path, backend='openvino', device='cpu', precision=precision, input_height=input_height
    )
    images = backend.prepare(rgb)
    request = _request(path, backend.precision, images.shape)
    backend.close()
    for _ in range(warm_up):
        request.infer([images])
    runs: list[float] = []
    of_kind: defaultdict[tuple[str, str], float] = defaultdict(float)
    for _ in range(frames):
        began = time.perf_counter()
        request.infer([images])
        runs.append(1e3 * (time.perf_counter() - began))
        for layer in request.get_profiling_info():
            kind = (layer.node_type, layer.exec_type)
            of_kind[kind] += 1e3 * layer.real_time.total_seconds() / frames
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


def _request(path: Path, precision: str, shape: tuple[int, ...]) -> Any:
    """Return a request with counters and otherwise the settings of the back-end."""
    from hiseg_ros.inference.backends.openvino_cpu import settings_of, shared_core

    core = shared_core()
    network = core.read_model(path)
    network.reshape({0: list(shape)})
    settings = {**settings_of(precision), 'PERF_COUNT': True}
    return core.compile_model(network, 'CPU', settings).create_infer_request()
