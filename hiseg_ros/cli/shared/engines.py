# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a model file is opened with: the engine of networks, or that of classical methods."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hiseg_ros.types import RgbImage

T = TypeVar('T')


def opened_engine(model: Path | None, **settings: Any) -> Any:
    """Return an `Engine`, or a `ClassicalEngine` where the file holds a classical method.

    Args:
        model: A model file; None for the shipped one.
        settings: Keyword arguments of both.

    Raises:
        HisegError: The file or a setting cannot be used.
    """
    from hiseg_ros.classical.model_file import is_classical
    from hiseg_ros.inference.engine import Engine

    if model is not None and is_classical(model):
        from hiseg_ros.classical.engine import ClassicalEngine

        return ClassicalEngine(model, **settings)
    return Engine(model, **settings)


@contextmanager
def engine_of(options: argparse.Namespace) -> Iterator[Any]:
    """Yield an engine for --model with --device, --backend, --precision and the other options.

    With --ray it segments on the workers of a cluster; `ahead` gives it the next images.

    Raises:
        HisegError: The file or an option cannot be used, or the cluster.
    """
    settings = {
        'device': options.device,
        'input_height': options.input_height,
        'threshold': options.threshold,
        'backend': options.backend,
        'precision': options.precision,
    }
    if not options.ray:
        yield opened_engine(options.model, **settings)
        return
    from hiseg_ros.fleet.ray_pool import Workers, connect
    from hiseg_ros.fleet.remote_segmenter import RemoteSegmenter

    if options.device == 'auto':
        # By what is reserved, not by what a machine happens to have: all workers are alike.
        settings['device'] = 'cuda' if options.worker_gpus > 0 else 'cpu'
    model = options.model and options.model.absolute()
    workers = Workers(options.workers, options.worker_cpus, options.worker_gpus)
    ray = connect(options.ray)
    try:
        yield RemoteSegmenter(ray, partial(opened_engine, model, **settings), workers)
    finally:
        ray.shutdown()


def ahead(engine: Any, items: Iterable[T], image_of: Callable[[T], RgbImage]) -> Iterable[T]:
    """Return items whose images an engine is going to segment one after the other.

    An engine on several workers begins with the next ones meanwhile.
    """
    begins_early = getattr(engine, 'ahead', None)
    found: Iterable[T] = items if begins_early is None else begins_early(items, image_of)
    return found
