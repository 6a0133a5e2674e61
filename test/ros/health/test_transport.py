# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The transport in use, read from the environment and from Fast DDS profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.resources import config_path
from hiseg_ros.ros.health.transport import DEFAULT_SEGMENT_BYTES, transport_in_use

FAST_DDS = 'rmw_fastrtps_cpp'
VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'

PROFILE = """<?xml version="1.0"?>
<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>memory</transport_id> <type>{kind}</type> {segment}
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="p" is_default_profile="{is_default}">
    <rtps>
      <userTransports><transport_id>memory</transport_id></userTransports>
      <useBuiltinTransports>{builtin}</useBuiltinTransports>
    </rtps>
  </participant>
</profiles>
"""


def profile(
    folder: Path,
    kind: str = 'SHM',
    segment: str = '<segment_size>4000000</segment_size>',
    is_default: str = 'true',
    builtin: str = 'false',
) -> dict[str, str]:
    path = folder / 'profile.xml'
    path.write_text(
        PROFILE.format(kind=kind, segment=segment, is_default=is_default, builtin=builtin)
    )
    return {VARIABLE: str(path)}


def test_without_a_profile_the_segment_has_512_kilobytes() -> None:
    transport = transport_in_use(FAST_DDS, {})
    assert transport.segment_bytes == DEFAULT_SEGMENT_BYTES == 524288
    assert transport.carries(524288)
    assert not transport.carries(524289)


@pytest.mark.parametrize('variable', [VARIABLE, 'FASTDDS_DEFAULT_PROFILES_FILE'])
def test_the_shipped_profile_has_64_megabytes(variable: str) -> None:
    transport = transport_in_use(FAST_DDS, {variable: str(config_path('fastdds_shm.xml'))})
    assert transport.segment_bytes == 64 * 1024 * 1024


def test_another_middleware_has_no_known_limit() -> None:
    assert transport_in_use('rmw_cyclonedds_cpp', {}).segment_bytes is None
    assert transport_in_use('rmw_zenoh_cpp', {}).carries(10**9)


def test_udp_alone_has_no_segment() -> None:
    environment = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}
    assert transport_in_use(FAST_DDS, environment).segment_bytes is None


def test_the_segment_of_the_default_participant_counts(tmp_path: Path) -> None:
    assert transport_in_use(FAST_DDS, profile(tmp_path)).segment_bytes == 4_000_000


def test_a_profile_that_nobody_uses_leaves_the_built_in_segment(tmp_path: Path) -> None:
    environment = profile(tmp_path, is_default='false')
    assert transport_in_use(FAST_DDS, environment).segment_bytes == DEFAULT_SEGMENT_BYTES


def test_shared_memory_without_a_size_has_the_built_in_one(tmp_path: Path) -> None:
    environment = profile(tmp_path, segment='')
    assert transport_in_use(FAST_DDS, environment).segment_bytes == DEFAULT_SEGMENT_BYTES


def test_a_profile_without_shared_memory_has_no_limit(tmp_path: Path) -> None:
    assert transport_in_use(FAST_DDS, profile(tmp_path, kind='UDPv4')).segment_bytes is None


@pytest.mark.parametrize('content', ['<profiles', '', PROFILE])
def test_a_profile_that_cannot_be_read_is_said_to_be_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'broken.xml'
    path.write_text(content.replace('{segment}', '<segment_size>large</segment_size>')
                    .replace('{kind}', 'SHM').replace('{is_default}', 'true'))  # fmt: skip
    transport = transport_in_use(FAST_DDS, {VARIABLE: str(path)})
    assert transport.segment_bytes == DEFAULT_SEGMENT_BYTES
    assert 'cannot be read' in transport.description


def test_a_missing_profile_is_said_to_be_so(tmp_path: Path) -> None:
    transport = transport_in_use(FAST_DDS, {VARIABLE: str(tmp_path / 'none.xml')})
    assert transport.segment_bytes == DEFAULT_SEGMENT_BYTES
    assert 'cannot be read' in transport.description
