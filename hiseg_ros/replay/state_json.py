# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""JSON for plain values and numpy arrays, exact to the bit.

The json module has no form for arrays, and pickle would run code from a file.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

_ARRAY = 'ndarray'


def dumps(value: Any) -> str:
    """Return dicts, lists, plain values and numpy arrays as JSON text."""
    return json.dumps(value, default=_plain, separators=(',', ':'))


def loads(text: str) -> Any:
    """Return the value that was given to `dumps`; tuples become lists, and keys strings.

    Raises:
        ValueError: The text is damaged.
    """
    return json.loads(text, object_hook=_restored)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 1))
        return {_ARRAY: data.decode(), 'dtype': value.dtype.str, 'shape': list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f'A state holds a {type(value).__name__}; expected plain values and arrays.')


def _restored(value: dict[str, Any]) -> Any:
    if _ARRAY not in value:
        return value
    try:
        data = zlib.decompress(base64.b64decode(value[_ARRAY]))
    except zlib.error as error:
        raise ValueError(f'an array is damaged: {error}') from error
    return np.frombuffer(data, value['dtype']).reshape(value['shape']).copy()
