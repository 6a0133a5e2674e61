# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The errors that hiseg_ros raises: one family, one class per kind of faulty input."""

from __future__ import annotations

from hiseg_ros.plain_text import printable


class HisegError(Exception):
    """Base of every error that hiseg_ros raises on purpose.

    The message says what was found, what was expected and what to do. Names in it that come from
    elsewhere cannot steer a terminal.
    """

    def __init__(self, *parts: object) -> None:
        """Create the error; its texts are made printable."""
        super().__init__(*(printable(p) if isinstance(p, str) else p for p in parts))


class TaxonomyError(HisegError):
    """A taxonomy file is missing or its tree is not valid."""


class MappingError(HisegError):
    """A dataset's mapping is missing or does not fit the taxonomy."""


class CheckpointError(HisegError):
    """A weights file is missing, damaged, foreign, or does not fit the taxonomy."""


class ConfigError(HisegError):
    """An option, a parameter or a configuration file has a value that cannot be used."""


class ImageError(HisegError):
    """An image or image message cannot be read as an image."""


class DeviceError(HisegError):
    """A compute device does not exist or cannot be used."""


class DeviceMemoryError(DeviceError):
    """A compute device has too little free memory."""


class DatasetError(HisegError):
    """A dataset's folder or one of its files is missing or wrong."""


class BagError(HisegError):
    """A recorded bag is missing, damaged, or lacks the topic asked for."""


LONGEST_REASON = 200
"""Characters of another program's message that are passed on."""


def reason_of(problem: BaseException) -> str:
    """Return the beginning of an error's message on one line; its class where it says nothing."""
    return ' '.join(str(problem).split())[:LONGEST_REASON] or type(problem).__name__
