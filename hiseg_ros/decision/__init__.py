# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Node probabilities on the network's grid to labels at camera resolution."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiseg_ros.decision.dense import decide, interpolate
    from hiseg_ros.decision.sparse import decide_sparse, warm_up
    from hiseg_ros.decision.tables import DecisionTables

__all__ = ['DecisionTables', 'decide', 'decide_sparse', 'interpolate', 'warm_up']

MODULE_OF_NAME = {
    'DecisionTables': 'tables',
    'decide': 'dense',
    'decide_sparse': 'sparse',
    'interpolate': 'dense',
    'warm_up': 'sparse',
}


def __getattr__(name: str) -> Any:
    # The dense decision imports torch and the sparse one numba: import only what is used.
    if name not in MODULE_OF_NAME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module = importlib.import_module(f'{__name__}.{MODULE_OF_NAME[name]}')
    return getattr(module, name)
