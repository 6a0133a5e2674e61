# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The transport of the middleware, and how large a message it carries without loss."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

DEFAULT_SEGMENT_BYTES = 512 * 1024
"""Size of the shared-memory segment of Fast DDS without a profile."""

PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


@dataclass(frozen=True)
class Transport:
    """The transport that this process publishes through."""

    description: str
    segment_bytes: int | None
    """Size of the shared-memory segment in bytes; None where no such limit is known."""

    def carries(self, message_bytes: int) -> bool:
        """Return whether a message of that size fits the segment."""
        return self.segment_bytes is None or message_bytes <= self.segment_bytes


def transport_in_use(rmw: str, environment: Mapping[str, str] = os.environ) -> Transport:
    """Return the transport that the middleware chose when this process started.

    Args:
        rmw: Name of the ROS middleware, e.g. rmw_fastrtps_cpp.
        environment: The variables the process was started with.
    """
    if 'fastrtps' not in rmw:
        return Transport(rmw, None)
    if environment.get('FASTDDS_BUILTIN_TRANSPORTS', '').startswith('UDP'):
        return Transport('Fast DDS over UDP alone', None)
    for variable in PROFILE_VARIABLES:
        if path := environment.get(variable):
            try:
                return _of_profile(Path(path))
            except (OSError, ElementTree.ParseError, ValueError) as error:
                # Fast DDS itself then uses its built-in transports.
                return Transport(
                    f'Fast DDS without a profile, since {path} cannot be read ({error})',
                    DEFAULT_SEGMENT_BYTES,
                )
    return Transport('Fast DDS without a profile', DEFAULT_SEGMENT_BYTES)


def _of_profile(path: Path) -> Transport:
    root = ElementTree.parse(path).getroot()
    segments: dict[str, int | None] = {}
    for entry in root.iterfind('.//{*}transport_descriptor'):
        if (entry.findtext('{*}type') or '').strip() == 'SHM':
            size = (entry.findtext('{*}segment_size') or str(DEFAULT_SEGMENT_BYTES)).strip()
            segments[(entry.findtext('{*}transport_id') or '').strip()] = int(size)
    participants = root.findall('.//{*}participant')
    default = [p for p in participants if p.get('is_default_profile') == 'true']
    sizes: list[int] = []
    builtin = True
    for participant in default:
        for identifier in participant.iterfind('.//{*}userTransports/{*}transport_id'):
            size_of = segments.get((identifier.text or '').strip())
            sizes += [] if size_of is None else [size_of]
        builtin = participant.findtext('.//{*}useBuiltinTransports', 'true').strip() == 'true'
    if sizes:
        return Transport(f'Fast DDS with {path}', max(sizes))
    if builtin:
        return Transport(
            f'Fast DDS with {path}, which sets no shared-memory segment', DEFAULT_SEGMENT_BYTES
        )
    return Transport(f'Fast DDS with {path}, which has no shared memory', None)
