# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The words and the exit code for damages of a recording, the same for all verbs."""

from __future__ import annotations

import sys
from collections.abc import Iterable

DAMAGED = 3
"""Exit code where a recording is damaged or incomplete and everything readable was used."""

_SHOWN = 10


def tell_damages(damages: Iterable[object], *, on_stderr: bool = False) -> int:
    """Print damages, the first of many, and return the exit code.

    Args:
        damages: `Damage` objects, or their texts.
        on_stderr: Whether to print to standard error, where standard output has other content.
    """
    texts = list(dict.fromkeys(map(str, damages)))
    stream = sys.stderr if on_stderr else sys.stdout
    for text in texts[:_SHOWN]:
        print(f'Damage in {text}', file=stream)
    if len(texts) > _SHOWN:
        print(f'... and {len(texts) - _SHOWN} more.', file=stream)
    return DAMAGED if texts else 0
