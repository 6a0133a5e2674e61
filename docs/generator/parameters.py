# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The table of the node's parameters, from hiseg_ros/ros/parameters.py."""

from __future__ import annotations

import json
from typing import Any

from generator.markdown import code, plain, table


def parameter_table() -> str:
    """Return all parameters with default, values and meaning."""
    from hiseg_ros.ros.parameters import DEFAULTS, RULES

    titles = ('parameter', 'default', 'values', 'live', 'meaning')
    return table(
        titles,
        (
            (
                code(name),
                code(_as_yaml(DEFAULTS[name])),
                _values(rule, DEFAULTS[name]),
                'yes' if rule.live else '',
                plain(rule.description),
            )
            for name, rule in RULES.items()
        ),
    )


def _as_yaml(value: Any) -> str:
    """Return a default as it stands in a parameter file."""
    if isinstance(value, list):
        return '[' + ', '.join(map(_as_yaml, value)) + ']'
    if isinstance(value, str):
        return value or "''"
    return json.dumps(value)


def _values(rule: Any, default: Any) -> str:
    """Return which values a parameter takes."""
    if rule.choices:
        return ', '.join(map(code, rule.choices))
    if rule.low is not None:
        return f'{rule.low:g} to {rule.high:g}' if rule.high < 1e5 else f'from {rule.low:g}'
    if isinstance(default, list):
        return 'list of whole numbers' if isinstance(default[0], int) else 'list of text'
    return {bool: '`true`, `false`', str: 'text'}[type(default)]
