# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Numbers on the command line, with their range."""

from __future__ import annotations

import argparse


def positive(text: str) -> float:
    """Return a number above 0.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = _number(text)
    if not 0.0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
    return value


def non_negative(text: str) -> float:
    """Return a number that is not below 0.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = _number(text)
    if not 0.0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 on')
    return value


def positive_integer(text: str) -> int:
    """Return a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float('nan')
