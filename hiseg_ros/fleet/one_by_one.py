# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replays of many recordings one after the other, on this machine and without Ray."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import HisegError
from hiseg_ros.fleet.drive_summary import SUMMARIES, drive_summary
from hiseg_ros.fleet.driver import FleetResult
from hiseg_ros.fleet.sources import Source, drop_copy, local_path, signature
from hiseg_ros.fleet.worker import (
    DRIVES,
    UNFINISHED,
    drive_folder,
    folder_name,
    is_done,
    sentence_of,
    write_text,
)
from hiseg_ros.replay.fingerprint import recording_facts
from hiseg_ros.replay.offline import Replay
from hiseg_ros.replay.order import OpenedOrder
from hiseg_ros.replay.replay_folder import METRICS, ReplayFolder
from hiseg_ros.replay.state_json import dumps
from hiseg_ros.reports.replay_page import FILE_NAME, write_report


def replay_one_by_one(
    opened: OpenedOrder,
    sources: Sequence[Source],
    robots: Sequence[str],
    output: Path,
    tell: Callable[[str], object] = print,
    on_frames: Callable[[int], object] = lambda frames: None,
) -> FleetResult:
    """Replay every recording into a folder of its own; one that fails does not stop the others.

    Args:
        opened: What is asked of each, with its network.
        sources: The recordings.
        robots: The name of the robot of each.
        output: The output folder.
        tell: Called with a line of text.
        on_frames: Called after each image with 1.
    """
    result = FleetResult()
    for source, robot in zip(sources, robots, strict=True):
        try:
            folder = _replay(opened, source, robot, output, result.folders, tell, on_frames)
        except (HisegError, OSError) as error:
            text = f'{source.name}: {sentence_of(error)}'
            tell(text)
            result.failed.append({'recording': source.location, 'robot': robot, 'reason': text})
        else:
            result.folders.setdefault(folder, robot)
    return result


def _replay(
    opened: OpenedOrder,
    source: Source,
    robot: str,
    output: Path,
    known: Container[str],
    tell: Callable[[str], object],
    on_frames: Callable[[int], object],
) -> str:
    """Replay one recording; return the name of its folder."""
    version = signature(source)
    recording = open_recording(local_path(source, version))
    choice = opened.order.choice([recording])
    files = [recording_facts(recording)]
    folder = drive_folder(folder_name(recording), files)
    if folder in known:
        tell(f'{source.location} is a copy of another recording: replayed once.')
        return folder
    if is_done(output, folder):
        return folder
    if choice.left_out:
        tell(f'{source.name}: {choice.left_out_text()}')
    facts = opened.facts([recording], choice.cameras, files)
    path, summary = output / DRIVES / folder, output / SUMMARIES / f'{folder}.json'
    # Without its summary a finished replay has to be done again.
    is_half = (path / METRICS).is_file() and not summary.is_file()

    def on_end(metrics: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        kept = drive_summary(folder, robot, metrics, state, path)
        write_text(summary, dumps(kept), output / UNFINISHED)

    place = ReplayFolder(path, facts, restart=is_half)
    try:
        if place.is_complete:
            place.clean()
        else:
            plan = opened.plan([recording], choice.cameras, facts)
            Replay(opened.engine, plan, place).run(lambda frames: on_frames(1), on_end)
    finally:
        place.release()
    if not (path / FILE_NAME).is_file():
        write_report(path)
    drop_copy(source, version)
    return folder
