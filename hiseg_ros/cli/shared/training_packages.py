# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The packages of the extra "train", where a verb needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hiseg_ros.errors import ConfigError


@contextmanager
def training_packages() -> Iterator[None]:
    """Import training code within this block.

    Raises:
        ConfigError: A package of the extra is missing.
    """
    try:
        yield
    except ImportError as problem:
        raise ConfigError(
            f'Training needs packages that are missing here ({problem}); expected the extra '
            '"train": pip install "hiseg_ros[train]".'
        ) from problem
