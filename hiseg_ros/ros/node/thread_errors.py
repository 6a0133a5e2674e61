# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Exceptions in the node's own threads: reported to the node, never lost, never fatal to them."""

from __future__ import annotations

import traceback
from collections.abc import Callable

OnError = Callable[[Exception], None]
"""Called in the failing thread with an unexpected exception."""


def report_error(error: BaseException, on_error: OnError, while_doing: str) -> None:
    """Report an exception that ended a thread's work on a frame.

    Args:
        error: What was raised; one that is no Exception, such as a library's SystemExit, is
            reported as a RuntimeError.
        on_error: Called with it; what this raises itself goes to standard error.
        while_doing: Completes 'SystemExit while ...'.
    """
    if not isinstance(error, Exception):
        error = RuntimeError(f'{type(error).__name__} while {while_doing}: {error}')
    try:
        on_error(error)
    except Exception:
        traceback.print_exc()  # the node is being destroyed: nobody else hears of it


def release_frames(error: BaseException) -> None:
    """Free what the functions that an exception has left refer to; its trace can still be printed.

    A file that was read, or a network that was half built, would stay in memory for as long as
    the exception does, and that is part of cycles.
    """
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        others = (one.__cause__, one.__context__)
        waiting += [other for other in others if other is not None and id(other) not in seen]
