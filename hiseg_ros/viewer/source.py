# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Opening the recording to show: a bag, or the output folder of a replay or demo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.bags.recording import Recording, open_recording
from hiseg_ros.errors import BagError
from hiseg_ros.replay.replay_folder import BAG, FRAMES, METRICS

DEMO_RECORDING = 'recording'
"""Name of the bag's folder in the output folder of a demo."""


@dataclass(frozen=True)
class Source:
    """A recording and, if it is the bag of a finished replay, the metrics beside it."""

    name: str
    """Name of the given folder or file."""
    recording: Recording
    metrics: Mapping[str, Any] | None = None
    """Content of metrics.json."""
    frames: Path | None = None
    """The records of the frames, frames.jsonl."""


def open_source(path: Path) -> Source:
    """Find the recording at a path.

    Args:
        path: A rosbag2, the output folder of `hiseg replay`, finished or not, or that of
            `hiseg demo`.

    Raises:
        BagError: There is no recording, or the replay's metrics.json is damaged.
    """
    name = path.resolve().name
    if (path / BAG).is_dir():
        recording, metrics = open_recording(path / BAG), path / METRICS
        if not metrics.is_file():
            return Source(name, recording)
        try:
            return Source(name, recording, json.loads(metrics.read_text()), path / FRAMES)
        except (OSError, ValueError) as error:
            raise BagError(
                f'The file {metrics} cannot be read ({error}); expected the results of `hiseg '
                f'replay`: name {path / BAG}, or replay again.'
            ) from error
    if (path / DEMO_RECORDING).is_dir():
        return Source(name, open_recording(path / DEMO_RECORDING))
    return Source(name, open_recording(path))
