# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A camera's health with one frame under a receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiseg_ros.ros.health.receipt import Receipt


def health_and_receipt() -> tuple[Any, Any]:
    """Return a camera's health after one image arrived, and that frame's receipt."""
    from hiseg_ros.ros.health.camera_health import CameraHealth
    from hiseg_ros.ros.health.receipt import Receipt

    health = CameraHealth()
    health.received(1, 1)
    return health, Receipt(health)


def check_one_fate(health: Any, receipt: Receipt) -> None:
    """Check that the only frame of a camera was counted once, for what its receipt says."""
    counters = health.counters
    assert counters.received == counters.processed + counters.dropped == 1
    assert getattr(counters, receipt.fate) == 1


# The receipt alone.
