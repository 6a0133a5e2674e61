# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A step compiled by torch, whose work is kept for the next process."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import gettempdir

import torch

from hiseg_ros.errors import ConfigError, reason_of
from hiseg_ros.inference.backends.torch_step import Step, tuned_convolutions
from hiseg_ros.resources import cache_folder

MOST_COMPILATIONS = 64
"""Of the network in one process, one for each input size; torch's own 8 are soon used up."""

CACHE = 'TORCHINDUCTOR_CACHE_DIR'
"""Variable that names torch's folder."""


def compiled_step(step: Step) -> Step:
    """Return the step compiled for every input size it meets, at the first image of that size.

    What was compiled stays on disk, by code, weights' shapes, input size and device: torch makes
    its key of them. See `use_lasting_cache` for where.
    """
    use_lasting_cache()
    # One whole graph: else torch would run some of it eagerly, beyond the limit all of it, and
    # say nothing.
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
                'in this process; expected no more of them: bring the images to one size, or '
                "choose backend 'eager'."
            ) from problem
        except torch._dynamo.exc.Unsupported as problem:
            raise ConfigError(
                f"Backend 'compile' cannot take the network as a whole "
                f'({reason_of(problem)}); expected one without steps that only Python can do: '
                "choose backend 'eager'."
            ) from problem
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            raise ConfigError(
                f"Backend 'compile' cannot compile the network here ({reason_of(problem)}); "
                "expected a C++ compiler on the machine: install g++ or choose backend 'eager'."
            ) from problem

    return run


def use_lasting_cache() -> None:
    """Have torch keep what it compiles in the user's cache folder, unless told where.

    Its own place is the folder for temporary files, which a restart of the machine empties; it is
    left there where the user's folder cannot be written.
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
    """Return whether torch named the folder: it sets the variable itself when it is imported."""
    return folder.parent == Path(gettempdir()) and folder.name.startswith('torchinductor_')
