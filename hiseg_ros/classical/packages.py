# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The packages of the extra "classical", where a method needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hiseg_ros.errors import ConfigError

MODULES = ('skimage', 'sklearn')
"""Top modules of scikit-image and scikit-learn."""


@contextmanager
def classical_packages() -> Iterator[None]:
    """Import scikit-image or scikit-learn within this block.

    Raises:
        ConfigError: One of them is missing.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        if (problem.name or '').partition('.')[0] not in MODULES:
            raise
        raise ConfigError(
            f'Classical methods need packages that are missing here ({problem}); expected the '
            'extra "classical": pip install "hiseg_ros[classical]".'
        ) from problem


def check_packages() -> None:
    """Check that scikit-image and scikit-learn are installed; imports neither.

    Raises:
        ConfigError: One of them is missing.
    """
    from importlib.util import find_spec

    with classical_packages():
        for name in MODULES:
            if find_spec(name) is None:
                raise ModuleNotFoundError(f'No module named {name!r}', name=name)
