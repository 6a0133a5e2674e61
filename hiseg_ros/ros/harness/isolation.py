# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A private ROS graph: on loopback, with a domain id that nobody else on this machine uses."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path
from hiseg_ros.threads import limit_spinning

DOMAIN_IDS = range(1, 101)
"""Ids whose DDS ports are below the ephemeral ports of Linux."""

PORT_OF_DOMAIN_0 = 32768
"""A domain is taken while this TCP port plus its id is bound. domain_coordinator of ROS 2, which
`make setup` does not install, has the same convention: tests that use it get other domains."""

_FOREIGN = (
    'CYCLONEDDS_URI',
    'FASTDDS_BUILTIN_TRANSPORTS',
    'RMW_FASTRTPS_USE_QOS_FROM_XML',
    'ROS_DISCOVERY_SERVER',
    'ROS_LOCALHOST_ONLY',
    'ROS_STATIC_PEERS',
)


class Isolation:
    """Reserves a free domain id until it is closed or the process ends.

    Use it as a context manager, or keep the object as long as processes with its environment run.
    """

    def __init__(self) -> None:
        """Reserve a free domain id.

        Raises:
            ConfigError: All ids are taken.
        """
        for domain_id in random.SystemRandom().sample(DOMAIN_IDS, len(DOMAIN_IDS)):
            lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                lock.bind(('', PORT_OF_DOMAIN_0 + domain_id))
            except OSError:
                lock.close()
                continue
            self.domain_id = domain_id
            self._lock = lock
            return
        raise ConfigError(
            f'No free ROS domain id: the TCP ports {PORT_OF_DOMAIN_0 + DOMAIN_IDS[0]} to '
            f'{PORT_OF_DOMAIN_0 + DOMAIN_IDS[-1]} are all in use; expected a free one: end other '
            'ROS tests and demos first.'
        )

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return all environment variables for processes of this graph.

        Args:
            base: Variables to start from; None for those of this process.
        """
        environment = dict(os.environ if base is None else base)
        for name in _FOREIGN:
            environment.pop(name, None)
        environment['ROS_DOMAIN_ID'] = str(self.domain_id)
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        if environment.get('ROS_DISTRO') == 'humble':  # has only the older variable
            environment['ROS_LOCALHOST_ONLY'] = '1'
        environment['RMW_IMPLEMENTATION'] = 'rmw_fastrtps_cpp'
        profile = str(config_path('fastdds_shm.xml'))
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = profile
        environment['FASTDDS_DEFAULT_PROFILES_FILE'] = profile
        return environment

    def process_environment(self, ros_logs: Path | str) -> dict[str, str]:
        """Return the environment for a node, player, recorder or camera that a parent reads.

        Args:
            ros_logs: Folder for ROS's own log files; what counts is on the standard error.
        """
        environment = self.environment()
        environment['ROS_LOG_DIR'] = str(ros_logs)
        environment['PYTHONUNBUFFERED'] = '1'
        limit_spinning(environment)
        return environment

    def close(self) -> None:
        """Release the domain id."""
        self._lock.close()

    def __enter__(self) -> Isolation:
        """Return this object."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the domain id."""
        self.close()


_kept: list[Isolation] = []


def isolated_environment() -> dict[str, str]:
    """Return an environment with a domain id that is reserved until this process ends.

    Raises:
        ConfigError: All ids are taken.
    """
    _kept.append(Isolation())
    return _kept[-1].environment()
