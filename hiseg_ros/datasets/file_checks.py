# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Checks that loaders share: files checked in threads, lists of names, a limit of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from hiseg_ros.errors import DatasetError

_Item = TypeVar('_Item')


def spread(items: Sequence[_Item], limit: int) -> list[_Item]:
    """Return at most `limit` items, evenly spread and in order; 0 returns all.

    Raises:
        DatasetError: The limit is not a number of items.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise DatasetError(f'The limit of a dataset is {limit!r}; expected 0 or a number.')
    if not limit or limit >= len(items):
        return list(items)
    return [items[place * len(items) // limit] for place in range(limit)]


def check_each(items: Sequence[_Item], look: Callable[[_Item], None]) -> None:
    """Check the files of every item in threads, with a progress bar if it takes long.

    Args:
        items: Items to check.
        look: Check of an item; raises a DatasetError if its files cannot be used.

    Raises:
        DatasetError: Of the first item whose files cannot be used.
    """
    # In threads, since most of the time is spent waiting for the disk.
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(look, item) for item in items]
        try:
            for done in tqdm(looks, 'checking files', unit='file', delay=3, leave=False):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def check_names(value: object, what: str) -> list[str]:
    """Return an option that is a list of names.

    Raises:
        DatasetError: It is something else.
    """
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return list(value)
    raise DatasetError(f'{what} are {value!r}; expected lists of names.')
