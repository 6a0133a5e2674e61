# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores as JSON text."""

from __future__ import annotations

import json
import math
import re
from typing import Any


def as_json(scores: Any) -> str:
    """Return scores as JSON: no NaN, and a row of numbers on one line."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    text = json.dumps(plain(scores), indent=2)
    return re.sub(
        r'\[\s+(-?\d[^\[\]{}":]*?)\s+\]',
        lambda match: '[' + ' '.join(match.group(1).split()) + ']',
        text,
    )
