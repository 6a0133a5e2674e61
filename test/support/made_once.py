# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Files that are made once for all workers of a test run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_base(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that all workers of a run share."""
    base = factory.getbasetemp()
    return base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker to ask for it fills; the others wait.

    Tests must not change what is in it.

    Args:
        factory: Of the worker that asks.
        name: Of the folder, the same for all workers.
        make: Fills an empty folder; its absolute path stays the same afterwards. If it fails, the
            next worker tries again.
    """
    folder = shared_base(factory) / 'made_once' / name
    folder.parent.mkdir(exist_ok=True)
    done = folder.with_name(f'{name}.done')
    with folder.with_name(f'{name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
