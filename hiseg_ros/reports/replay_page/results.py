# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Reading the results in the folder of a finished replay."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.replay.mapping_facts import mapping_of
from hiseg_ros.replay.metrics import FORMAT
from hiseg_ros.replay.replay_folder import BAG, FRAMES, METRICS, TIMING
from hiseg_ros.reports.replay_page.frame_table import FrameTable, read_tables
from hiseg_ros.taxonomy import Mapping, Node, Taxonomy


@dataclass(frozen=True)
class Results:
    """Results of a finished replay."""

    folder: Path
    metrics: dict[str, Any]
    """Content of metrics.json, see docs/replay.md."""
    taxonomy: Taxonomy
    mapping: Mapping | None
    """Mapping of the ground truth, None without it."""
    tables: Sequence[FrameTable]
    """Frames of each camera."""

    @property
    def bag(self) -> Path:
        """Path of the new bag."""
        return self.folder / BAG

    def records(self, frames: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return the records in frames.jsonl of some frames, by number."""
        wanted, found = set(frames), {}
        with (self.folder / FRAMES).open() as file:
            for number, line in enumerate(file):
                if number in wanted:
                    found[number] = json.loads(line)
        return found

    def timing(self) -> dict[str, Any]:
        """Return the content of timing.json.

        Raises:
            ConfigError: It is missing or damaged.
        """
        return _json(self.folder / TIMING)


def load_results(folder: Path) -> Results:
    """Read the results in a replay's folder.

    Raises:
        ConfigError: There is no finished replay, or another version wrote it.
    """
    if not (folder / METRICS).is_file():
        raise ConfigError(
            f'The folder {folder} has no {METRICS}; expected that of a finished `hiseg replay`: '
            'check the path, or let the same replay run to its end.'
        )
    metrics = _json(folder / METRICS)
    if metrics.get('format') != FORMAT:
        raise ConfigError(
            f'{folder / METRICS} has the format {metrics.get("format")!r}; expected {FORMAT}: '
            'replay the recording again with this version.'
        )
    if not (folder / BAG).is_dir():
        raise ConfigError(
            f'The folder {folder} has no {BAG}; expected the new bag beside {METRICS}, since the '
            'images of the report are in it.'
        )
    try:
        taxonomy = _taxonomy(metrics['taxonomy'])
        mapping = _mapping(metrics) if metrics['scores'] else None
        tables = read_tables(folder / FRAMES, len(metrics['cameras']))
    except (OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigError(
            f'The replay in {folder} cannot be read ({type(error).__name__}: {error}); expected '
            f'{METRICS} and {FRAMES} as `hiseg replay` wrote them: begin anew with --restart.'
        ) from error
    return Results(folder, metrics, taxonomy, mapping, tables)


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'{path} cannot be read ({error}); expected it as `hiseg replay` wrote it: begin '
            'anew with --restart.'
        ) from error
    return found


def _taxonomy(row: dict[str, Any]) -> Taxonomy:
    nodes = tuple(
        Node(n['node_id'], n['name'], n['parent'], n['level'], (*n['color'],))
        for n in row['nodes']
    )
    return Taxonomy(row['name'], row['version'], nodes)


def _mapping(metrics: dict[str, Any]) -> Mapping | None:
    facts = metrics['run'].get('mapping')
    # Replays of earlier versions name their mapping only: their truth cannot be painted.
    return mapping_of(facts) if facts and 'labels' in facts else None
