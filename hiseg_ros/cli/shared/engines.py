# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a model file is opened with: the engine of networks, or that of classical methods."""

from __future__ import annotations

import argparse
from typing import Any


def engine_of(options: argparse.Namespace) -> Any:
    """Return an engine for --model with --device, --backend, --precision and the other options.

    Returns:
        An `Engine`, or a `ClassicalEngine` where the file holds a classical method.

    Raises:
        HisegError: The file or an option cannot be used.
    """
    from hiseg_ros.classical.model_file import is_classical
    from hiseg_ros.inference.engine import Engine

    settings = {
        'device': options.device,
        'input_height': options.input_height,
        'threshold': options.threshold,
        'backend': options.backend,
        'precision': options.precision,
    }
    if options.model is not None and is_classical(options.model):
        from hiseg_ros.classical.engine import ClassicalEngine

        return ClassicalEngine(options.model, **settings)
    return Engine(options.model, **settings)
