# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Atomic writing of checkpoints, and reading of the averaged weights."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from safetensors import SafetensorError

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.output_files import output_file


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically: under a temporary name, then renamed.

    Raises:
        CheckpointError: It cannot be written; a file that was there before is untouched.
    """
    partial = path.with_name(path.name + '.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(output_file(partial))
        os.replace(partial, path)
    except (OSError, SafetensorError, ConfigError) as problem:
        reason = getattr(problem, 'strerror', None) or problem
        kept = 'the one before is untouched' if path.is_file() else 'there is none yet'
        raise CheckpointError(
            f'{path} cannot be written ({reason}), {kept}; expected a '
            'folder with free space and the right to write: make room and start the same command '
            'again.'
        ) from problem
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes checkpoints that a kill, a full disk or a diverged network cannot damage.

    Lightning's own writer puts its temporary file into the system's temporary folder. Where that
    is another disk, it copies the file over the last checkpoint, which is incomplete meanwhile.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint, if all its weights are finite.

        Raises:
            CheckpointError: It cannot be written.
            ConfigError: A weight is not finite.
        """
        state = checkpoint.get('current_model_state', checkpoint['state_dict'])
        check_finite(state, int(checkpoint.get('global_step', 0)), Path(path))
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)

        def write(partial: Path) -> None:
            with output_file(partial).open('wb') as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())  # else the rename may reach the disk before the content

        replace_file(Path(path), write)


def check_finite(state: Mapping[str, torch.Tensor], step: int, path: Path) -> None:
    """Check that all weights are finite.

    Raises:
        ConfigError: One is not finite.
    """
    bad = [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    if bad:
        raise ConfigError(
            f'{len(bad)} tensors of the network are not finite after step {step}, first '
            f'{bad[0]}; expected finite numbers: lower learning_rate or take precision 32-true, '
            f'and start again. {path} is unchanged.'
        )


def load_averaged(module: torch.nn.Module, path: Path) -> int:
    """Load the averaged weights of a training checkpoint, without executing code from it.

    Returns:
        The optimiser steps that had been done.

    Raises:
        CheckpointError: The file is damaged, or its network is another one.
    """
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        module.load_state_dict(state['state_dict'])
        return int(state['global_step'])
    except (
        RuntimeError,
        EOFError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as problem:
        reason = ' '.join(str(problem).split())[:200]
        raise CheckpointError(
            f'The run cannot resume from {path} ({reason} ...); expected the checkpoint of a run '
            'with the same network: choose another run folder or delete this one.'
        ) from problem
