# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The output folder of a fleet: a folder for each replay, and the figures and page over all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiseg_ros import __version__
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.scores_json import as_json
from hiseg_ros.fleet.drive_summary import SUMMARIES, fleet_metrics
from hiseg_ros.fleet.worker import DRIVES, UNFINISHED, write_text
from hiseg_ros.output_files import opened_lock, output_folder
from hiseg_ros.replay.replay_folder import METRICS, RUN, TIMING
from hiseg_ros.replay.state_json import loads
from hiseg_ros.reports.fleet_page import write_fleet_page
from hiseg_ros.reports.replay_page import FILE_NAME
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy

NAMES = (DRIVES, SUMMARIES, UNFINISHED, METRICS, TIMING, RUN, FILE_NAME)


class FleetFolder:
    """The folder that one command at a time writes."""

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Make the folder, or open that of an earlier run.

        Args:
            path: The folder.
            restart: Whether to remove what an earlier run left.

        Raises:
            ConfigError: It cannot be written, holds foreign files, or another command writes it.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            foreign = sorted({entry.name for entry in path.iterdir()} - set(NAMES))
            is_ours = (path / RUN).is_file() or (path / UNFINISHED).is_dir()
            if foreign or ((path / METRICS).is_file() and not is_ours):
                raise ConfigError(
                    f'The folder {path} holds {", ".join(foreign[:5]) or METRICS}; expected a new '
                    'or empty one, or that of an earlier run over several bags: name another with '
                    '--output.'
                )
            if (path / RUN).is_file() and not (path / DRIVES).is_dir() and not restart:
                self._refuse_single()
            work = output_folder(path / UNFINISHED)
            work.mkdir(exist_ok=True)
            self._lock = opened_lock(work, path)
            if restart:
                self._remove()
            (path / DRIVES).mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f'The folder {path} cannot be used ({error}); expected one that can be written: '
                'name another with --output.'
            ) from error

    def _refuse_single(self) -> None:
        if (self.path / METRICS).is_file() or (self.path / UNFINISHED / 'state.json').is_file():
            raise ConfigError(
                f'The folder {self.path} holds the replay of a single command without --each; '
                'expected a folder of its own: name another with --output.'
            )

    def _remove(self) -> None:
        for name in (METRICS, TIMING, RUN, FILE_NAME):
            (self.path / name).unlink(missing_ok=True)
        for name in (DRIVES, SUMMARIES):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for entry in (self.path / UNFINISHED).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != 'lock':
                entry.unlink()

    def check_facts(self, facts: Mapping[str, Any]) -> None:
        """Compare weights and options with those of an earlier run, or keep them.

        Raises:
            ConfigError: They differ.
        """
        wanted = json.loads(json.dumps({'hiseg_ros': __version__, **facts}))
        file = self.path / RUN
        if not file.is_file():
            write_text(file, json.dumps(wanted, indent=2) + '\n', self.path / UNFINISHED)
            return
        try:
            known = json.loads(file.read_text())
        except ValueError:
            known = {}
        different = [key for key in {**wanted, **known} if wanted.get(key) != known.get(key)]
        if different:
            raise ConfigError(
                f'The replays in {self.path} have another {" and ".join(different)}; expected '
                'the same weights and options: name another --output, or begin anew with '
                '--restart.'
            )

    def finish(
        self,
        facts: Mapping[str, Any],
        folders: Mapping[str, str],
        failed: Sequence[Mapping[str, Any]],
        taxonomy: Taxonomy,
        mapping: LabelMapping | None,
        timing: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Write figures and page over all replays; return the content of metrics.json.

        Args:
            facts: What all replays have in common.
            folders: Name of the robot by the name of the folder of each finished one.
            failed: Recordings without a result, see `fleet_metrics`.
            taxonomy: The label tree.
            mapping: Mapping of the ground truth, None without any.
            timing: Seconds and rate of this run.

        Raises:
            ConfigError: The disk is full.
        """
        drives = [
            loads((self.path / SUMMARIES / f'{name}.json').read_text()) for name in sorted(folders)
        ]
        for drive in drives:
            # In its summary is the robot of the run that wrote it, perhaps with another --robot.
            drive['robot'] = folders[drive['replay_folder']]
        metrics = fleet_metrics(facts, drives, failed, taxonomy, mapping)
        work = self.path / UNFINISHED
        write_text(self.path / TIMING, json.dumps(timing, indent=2) + '\n', work)
        write_text(self.path / METRICS, as_json(metrics) + '\n', work)
        write_text(self.path / FILE_NAME, write_fleet_page(metrics), work)
        if not failed:
            self.close()
            shutil.rmtree(self.path / UNFINISHED, ignore_errors=True)
        return metrics

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()
