# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What rosbag2 0.26 (Jazzy) and its MCAP plugin read of a bag, as rules on the files."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAGIC = b'\x89MCAP0\r\n'
FOOTER_BYTES = 9 + 20
HEADER, SCHEMA, CHANNEL = 0x01, 0x03, 0x04

POLICIES = {
    'history': {'system_default': 0, 'keep_last': 1, 'keep_all': 2, 'unknown': 3},
    'reliability': {'system_default': 0, 'reliable': 1, 'best_effort': 2, 'unknown': 3},
    'durability': {'system_default': 0, 'transient_local': 1, 'volatile': 2, 'unknown': 3},
    'liveliness': {'system_default': 0, 'automatic': 1, 'manual_by_topic': 3, 'unknown': 4},
}
"""Names and numbers of rmw's policies: metadata of version 9 has names, older ones numbers."""

DURATIONS = ('deadline', 'lifespan', 'liveliness_lease_duration')
INFINITE = {'sec': 9223372036, 'nsec': 854775807}


@dataclass(frozen=True)
class Channel:
    """A topic as a file of the bag describes it."""

    topic: str
    message_encoding: str
    metadata: dict[str, str]
    schema_name: str
    schema_encoding: str
    schema: str


def profiles(value: Any, version: int) -> list[dict[str, Any]]:
    """Return offered QoS profiles as rosbag2 decodes them, their policies by name."""
    if version < 9:
        assert isinstance(value, str)
        value = yaml.safe_load(value) if value else []
    assert isinstance(value, list)
    found = []
    for profile in value:
        assert set(profile) == {*POLICIES, *DURATIONS, 'depth', 'avoid_ros_namespace_conventions'}
        decoded = dict(profile)
        for policy, names in POLICIES.items():
            if isinstance(profile['history'], int):  # as rosbag2 finds out, whatever the version
                decoded[policy] = {number: name for name, number in names.items()}[profile[policy]]
            assert decoded[policy] in names
        assert isinstance(profile['depth'], int)
        assert all(profile[duration] == INFINITE for duration in DURATIONS)
        assert profile['avoid_ros_namespace_conventions'] is False
        found.append(decoded)
    return found


def check_bag(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Check a bag's metadata.yaml and files; return the QoS that is played, by topic."""
    about = yaml.safe_load((folder / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    version = about['version']
    assert version in (8, 9)  # Jazzy writes 9, Humble reads what it knows of 8
    assert about['storage_identifier'] == 'mcap'
    assert about['compression_format'] == about['compression_mode'] == ''
    assert isinstance(about['ros_distro'], str)
    assert about['custom_data'] is None or isinstance(about['custom_data'], dict)
    assert [file['path'] for file in about['files']] == about['relative_file_paths']
    for part in (about, *about['files']):
        assert part['starting_time']['nanoseconds_since_epoch'] > 0
        assert part['duration']['nanoseconds'] >= 0
    assert sum(file['message_count'] for file in about['files']) == about['message_count']
    rows = about['topics_with_message_count']
    assert sum(row['message_count'] for row in rows) == about['message_count']
    offered = {}
    for row in rows:
        topic = row['topic_metadata']
        assert topic['name'].startswith('/')
        assert topic['serialization_format'] == 'cdr'
        assert re.fullmatch(r'\w+/msg/\w+', topic['type'])
        assert re.fullmatch(r'RIHS01_[0-9a-f]{64}', topic['type_description_hash'])
        offered[topic['name']] = profiles(topic['offered_qos_profiles'], version)
    for name in about['relative_file_paths']:
        assert '/' not in name
        types = {row['topic_metadata']['name']: row['topic_metadata']['type'] for row in rows}
        for channel in check_file(folder / name):
            assert channel.schema_name == types[channel.topic]
            text = channel.metadata['offered_qos_profiles']
            assert profiles(text, 8) == offered[channel.topic]
    return offered


def check_file(path: Path) -> list[Channel]:
    """Check one MCAP file of a bag; return its topics."""
    data = path.read_bytes()
    assert data.startswith(MAGIC) and data.endswith(MAGIC)
    kind, header = next(records(data, len(MAGIC)))
    assert kind == HEADER
    assert text_at(header, 0)[0] == 'ros2'
    (summary,) = struct.unpack_from('<Q', data, len(data) - len(MAGIC) - FOOTER_BYTES + 9)
    assert summary, 'without a summary the plugin cannot seek'
    schemas: dict[int, tuple[str, str, str]] = {}
    channels = []
    for kind, body in records(data, summary):
        if kind == SCHEMA:
            name, end = text_at(body, 2)
            encoding, end = text_at(body, end)
            schemas[struct.unpack_from('<H', body)[0]] = (name, encoding, text_at(body, end)[0])
        elif kind == CHANNEL:
            topic, end = text_at(body, 4)
            encoding, end = text_at(body, end)
            schema = schemas[struct.unpack_from('<H', body, 2)[0]]
            channels.append(Channel(topic, encoding, map_at(body, end), *schema))
    for channel in channels:
        assert channel.message_encoding == 'cdr'
        assert channel.schema_encoding == 'ros2msg'
        assert channel.schema.strip()
        # Every type inside comes with its own definition, as Foxglove and rosbag2 read it.
        defined = set(re.findall(r'^MSG: (\w+)/(?:msg/)?(\w+)$', channel.schema, re.MULTILINE))
        if 'std_msgs/Header header' in channel.schema or 'std_msgs/msg/Header' in channel.schema:
            assert {('std_msgs', 'Header'), ('builtin_interfaces', 'Time')} <= defined
    return channels


def records(data: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, body) of the records from a position up to the closing magic."""
    while position < len(data) - len(MAGIC):
        kind, size = struct.unpack_from('<BQ', data, position)
        yield kind, data[position + 9 : position + 9 + size]
        position += 9 + size


def text_at(body: bytes, position: int) -> tuple[str, int]:
    """Return a text behind its length, and where it ends."""
    (size,) = struct.unpack_from('<I', body, position)
    end = position + 4 + size
    return body[position + 4 : end].decode(), end


def map_at(body: bytes, position: int) -> dict[str, str]:
    """Return a map of texts behind its length in bytes."""
    (size,) = struct.unpack_from('<I', body, position)
    end, position = position + 4 + size, position + 4
    found = {}
    while position < end:
        key, position = text_at(body, position)
        found[key], position = text_at(body, position)
    return found
