# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node, which also records the number of every image that reaches it.

python -m hiseg_ros.ros.soak.node TALLY.json --ros-args ...

Publishers number their messages. The node counts the images that it never received, and the
recorded numbers say which ones these were, so that its count can be checked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensor_msgs.msg import Image

from hiseg_ros.ros.harness.child_process import interrupt_with_parent
from hiseg_ros.ros.node.program import run_program
from hiseg_ros.ros.node.segmentation_node import SegmentationNode


class TalliedNode(SegmentationNode):
    """A segmentation node that records the publisher's number of every image it is given."""

    def __init__(self, tally: Path, **node_arguments: Any) -> None:
        """Create the node.

        Args:
            tally: File that gets the numbers by topic, one list per subscription, at the end.
            node_arguments: See SegmentationNode.
        """
        self._tally = tally
        self._taken: dict[str, list[list[int]]] = {}
        super().__init__(**node_arguments)

    def create_subscription(
        self, kind: Any, topic: str, callback: Callable[..., None], qos: Any, **others: Any
    ) -> Any:
        """Create a subscription; numbers of images are recorded before the node's callback."""
        if kind is not Image:
            return super().create_subscription(kind, topic, callback, qos, **others)
        numbers: list[int] = []
        self._taken.setdefault(topic, []).append(numbers)

        def tallied(message: Any, info: dict[str, int]) -> None:
            numbers.append(info['publication_sequence_number'])
            callback(message, info)

        return super().create_subscription(kind, topic, tallied, qos, **others)

    def close(self, timeout_s: float | None = None) -> bool:
        """Write the numbers first: a process that takes too long to close is killed."""
        self._tally.write_text(json.dumps(self._taken))
        return super().close(timeout_s)


def main() -> int:
    """Run the node; return its exit code."""
    interrupt_with_parent()
    tally = Path(sys.argv[1])
    return run_program(lambda: TalliedNode(tally), [sys.argv[0], *sys.argv[2:]])


if __name__ == '__main__':
    sys.exit(main())
