# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""BondSide: the node's side of a bond, the heartbeat protocol of bondcpp, without ROS."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

OFF, WAITING, FORMED, BREAKING, BROKEN = 'off', 'waiting', 'formed', 'breaking', 'broken'

SILENCE_S = 4.0
"""A sister that is silent for so long is gone: another one may take its place."""

DISCONNECT_S = 2.0
"""How long the break is repeated to a sister that does not confirm it, as in bondcpp."""


class BondSide:
    """Says what to send, and when the bond is formed or broken.

    It differs from bondcpp where that would end the bond of a node that is well: it waits for its
    sister as long as it takes, keeps beating while the sister is silent, and bonds again with a
    new sister, such as a lifecycle manager that was restarted. Not thread-safe.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start switched off.

        Args:
            now: A steady clock in seconds.
        """
        self._now = now
        self.state = OFF
        self.instance_id = ''
        """Names this side of the bond; a new one for each bond."""
        self._sister = ''
        self._heard_s = self._broke_s = 0.0

    def start(self) -> bool:
        """Begin a new bond; return the field `active` of the message to send at once."""
        self.state, self.instance_id, self._sister = WAITING, str(uuid.uuid4()), ''
        return True

    def stop(self) -> bool | None:
        """Break the bond; return what to send at once, None for nothing."""
        if self.state in (WAITING, FORMED):
            self.state = BREAKING if self.state == FORMED else OFF
            self._broke_s = self._now()
            return False
        self.state = OFF if self.state == BROKEN else self.state
        return None

    def heard(self, instance_id: str, active: bool) -> bool | None:
        """Note a message of the same bond; return what to send at once, None for nothing.

        Args:
            instance_id: Of the sender, which may be this side itself.
            active: Whether the sender keeps the bond.
        """
        if instance_id == self.instance_id or self.state == OFF:
            return None
        if self.state == BREAKING:
            if not active and instance_id == self._sister:
                self.state = OFF
            return None
        if active and self.state == BROKEN and instance_id != self._sister:
            self.start()
            self._join(instance_id)
            return True
        if self.state == BROKEN:
            return None
        is_other = self._sister not in ('', instance_id)
        if active and (not is_other or self._now() - self._heard_s > SILENCE_S):
            self._join(instance_id)
        elif not active and instance_id == self._sister:
            self.state = BROKEN
            return False  # confirms the break
        return None

    def _join(self, instance_id: str) -> None:
        self.state, self._sister, self._heard_s = FORMED, instance_id, self._now()

    def beat(self) -> bool | None:
        """Return what to send now that a period has passed, None for nothing."""
        if self.state in (WAITING, FORMED):
            return True
        if self.state == BREAKING:
            if self._now() - self._broke_s <= DISCONNECT_S:
                return False
            self.state = OFF
        return None
