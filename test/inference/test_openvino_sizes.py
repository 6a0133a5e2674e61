# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cameras of several sizes share the OpenVINO backend without a compilation for each image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.resources import default_model

SIZES = [(240, 320), (320, 480), (360, 640), (480, 640)]


def test_four_cameras_of_four_sizes_are_compiled_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn, as the node takes them."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend

    path = default_model('.onnx')
    backend = OpenVinoBackend(path, ExportedInput(read_info(path).preprocessing), 'cpu')
    compiled = []

    class Request:
        def infer(self, inputs: Any, **shared: bool) -> Any:
            return {0: np.zeros((1, 3, 2, 2), np.float32)}

    monkeypatch.setattr(backend, 'request', lambda shape: compiled.append(shape) or Request())
    for _ in range(3):
        for size in SIZES:
            backend.node_probabilities(backend.prepare(np.zeros((*size, 3), np.uint8)))
    assert len(compiled) == len(SIZES)
