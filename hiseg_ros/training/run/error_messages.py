# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Errors of a training run as one sentence each."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, HisegError
from hiseg_ros.training.run.run_folder import last_checkpoint

_DISK = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
)
"""System errors of files that cannot be written."""


@contextmanager
def one_sentence_errors(trainer: lightning.Trainer, run_dir: Path) -> Iterator[None]:
    """Convert errors that stop a run into errors of one sentence.

    Args:
        trainer: Trainer of the run.
        run_dir: Run folder with the last checkpoint, which is not changed.

    Raises:
        HisegError: The disk is full, the device out of memory, or a worker ended; or an error
            from a worker, without the worker's traceback.
        KeyboardInterrupt: The user interrupted the run; the text says how to resume it.
    """
    # Lightning ignores SIGINT while it closes down, and does not restore the handler.
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except HisegError as problem:
        sentence = _sentence_of_worker(problem)
        if sentence is None:
            raise
        raise type(problem)(sentence) from problem
    except torch.OutOfMemoryError as problem:
        raise DeviceError(
            f'The device has not enough memory for a batch ({_first_line(problem)}); expected '
            'room for it: lower the shares and raise accumulate_batches, or take a smaller crop.'
        ) from problem
    except RuntimeError as problem:
        if 'DataLoader worker' not in str(problem):
            raise
        raise ConfigError(
            f'A process that loads images ended ({_first_line(problem)}); expected it to live as '
            f'long as the run: it may lack memory, so set fewer workers. {_how_to_resume(run_dir)}'
        ) from problem
    except OSError as problem:
        if problem.errno not in _DISK:
            raise
        raise CheckpointError(
            f'The run folder {run_dir} cannot be written ({problem}); expected free space and '
            f'the right to write. {_how_to_resume(run_dir)}'
        ) from problem
    except SystemExit as problem:
        if not trainer.interrupted or problem.code != 1:
            raise
        raise KeyboardInterrupt(
            f'interrupted after step {trainer.global_step}. {_how_to_resume(run_dir)}'
        ) from problem
    finally:
        signal.signal(signal.SIGINT, handler)


def _how_to_resume(run_dir: Path) -> str:
    last = last_checkpoint(run_dir)
    where = (
        f'resumes from {last}' if last.is_file() else 'starts again: there is no checkpoint yet'
    )
    return f'The same command {where}.'


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().split('\n')[0][:200]


def _sentence_of_worker(problem: HisegError) -> str | None:
    """Return the message of an error from a worker, which torch wraps in a traceback."""
    text = str(problem)
    if 'Original Traceback' not in text:
        return None
    found = re.search(rf'^[\w.]*\b{type(problem).__name__}: (.*)\Z', text.strip(), re.M | re.S)
    return found.group(1) if found else None
