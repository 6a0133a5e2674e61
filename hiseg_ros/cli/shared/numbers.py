# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Types of command line arguments: numbers with a range, and image sizes."""

from __future__ import annotations

import argparse
import re

from hiseg_ros.types import ImageSize


def positive(text: str) -> float:
    """Return a number above 0.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    value = _number(text)
    if not 0.0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'must be a positive number, not {text!r}')
    return value


def non_negative(text: str) -> float:
    """Return a number of at least 0.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    value = _number(text)
    if not 0.0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'must be a number of at least 0, not {text!r}')
    return value


def positive_integer(text: str) -> int:
    """Return an integer above 0.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'must be a positive integer, not {text!r}')
    return int(text)


def non_negative_integer(text: str) -> int:
    """Return an integer of at least 0.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f'must be an integer of at least 0, not {text!r}')
    return int(text)


def bit_depth(text: str) -> int | None:
    """Return a number of bits from 8 to 16, None for 'auto'.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    if text == 'auto':
        return None
    if not text.isascii() or not text.isdecimal() or not 8 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"must be 8 to 16 or 'auto', not {text!r}")
    return int(text)


def input_height(text: str) -> int | str:
    """Return an input height of the node: an integer of at least 0, or 'auto'.

    Raises:
        argparse.ArgumentTypeError: The text is anything else.
    """
    if text == 'auto':
        return text
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f'must be auto or an integer of at least 0, not {text!r}')
    return int(text)


def image_size(text: str) -> ImageSize:
    """Return (H, W) in pixels of a text such as '512x1024'.

    Raises:
        argparse.ArgumentTypeError: The text is anything else, or a side is 0.
    """
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f'must be HxW, such as 512x1024, not {text!r}')
    return int(match[1]), int(match[2])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float('nan')
