# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Arrays of a method's file, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def array(arrays: Arrays, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of a file.

    Args:
        arrays: By name.
        name: Of the array.
        dtype: Name of its type, such as 'float32'.
        shape: Its shape; -1 for any length.

    Raises:
        ValueError: It is missing, of another type or shape, or holds what is no finite number.
    """
    found = arrays.get(name)
    if found is None:
        raise ValueError(f'no array {name!r}')
    fits = found.ndim == len(shape) and all(
        wanted in (-1, own) for own, wanted in zip(found.shape, shape, strict=True)
    )
    if found.dtype != np.dtype(dtype) or not fits:
        raise ValueError(
            f'array {name!r} of shape {found.shape} and type {found.dtype}, not {shape} {dtype}'
        )
    if found.dtype.kind == 'f' and not np.isfinite(found).all():
        raise ValueError(f'array {name!r} with numbers that are not finite')
    return found
