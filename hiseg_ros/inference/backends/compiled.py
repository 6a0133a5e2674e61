# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The step of backend 'compile': torch.compile with a cache on disk for later processes."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import gettempdir

import torch

from hiseg_ros.errors import ConfigError, reason_of
from hiseg_ros.inference.backends.torch_step import Step, tuned_convolutions
from hiseg_ros.resources import cache_folder

MOST_COMPILATIONS = 64
"""Compilations of the network in one process, one per input size; torch's default is only 8."""

CACHE = 'TORCHINDUCTOR_CACHE_DIR'
"""Environment variable with the folder of torch's cache."""


def compiled_step(step: Step) -> Step:
    """Return the step compiled for every input size, at the first image of that size.

    The result is kept on disk, by code, shapes of the weights, input size and device. See
    `use_lasting_cache` for the folder.
    """
    use_lasting_cache()
    # As one graph: else torch would silently run parts of it eagerly, or all beyond the limit.
    compiled: Step = torch.compile(  # type: ignore[call-overload]
        step, dynamic=False, fullgraph=True, recompile_limit=MOST_COMPILATIONS
    )

    sizes: set[torch.Size] = set()

    def run(images: torch.Tensor) -> torch.Tensor:
        try:
            if images.shape in sizes:
                return compiled(images)
            with tuned_convolutions():
                result = compiled(images)
            sizes.add(images.shape)
            return result
        except torch._dynamo.exc.FailOnRecompileLimitHit as problem:
            raise ConfigError(
                f"Backend 'compile' has compiled for {MOST_COMPILATIONS} input sizes or networks "
                'in this process; expected no more of them: resize the images to one size, or '
                "choose backend 'eager'."
            ) from problem
        except torch._dynamo.exc.Unsupported as problem:
            raise ConfigError(
                f"Backend 'compile' cannot compile the network as one graph "
                f'({reason_of(problem)}); expected one without steps that only Python can run: '
                "choose backend 'eager'."
            ) from problem
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            raise ConfigError(
                f"Backend 'compile' cannot compile the network here ({reason_of(problem)}); "
                "expected a C++ compiler on the machine: install g++ or choose backend 'eager'."
            ) from problem

    return run


def use_lasting_cache() -> None:
    """Let torch cache compiled code in the user's cache folder, unless the user named another.

    By default it is in the folder for temporary files, which is emptied when the machine
    restarts. That is used where the user's cache folder cannot be written.
    """
    named = os.environ.get(CACHE)
    if named and not _is_own_choice(Path(named)):
        return
    try:
        folder = cache_folder() / 'inductor'
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home
        return
    if os.access(folder, os.W_OK):
        os.environ[CACHE] = str(folder)


def _is_own_choice(folder: Path) -> bool:
    """Return whether torch chose the folder: it sets the variable itself when it is imported."""
    return folder.parent == Path(gettempdir()) and folder.name.startswith('torchinductor_')
