# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writing the page from its parts; the same replay gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.report import grouped, percent
from hiseg_ros.output_files import output_file
from hiseg_ros.replay.replay_folder import WORK
from hiseg_ros.replay.sign_tracks import MAX_MISSED
from hiseg_ros.reports.replay_page.confusions import WAYS, confusions
from hiseg_ros.reports.replay_page.drive_images import drive_images
from hiseg_ros.reports.replay_page.findings import clock, findings
from hiseg_ros.reports.replay_page.frame_source import FrameSource, ShotTopics
from hiseg_ros.reports.replay_page.layers import Painter
from hiseg_ros.reports.replay_page.live_charts import STAGES, live_charts
from hiseg_ros.reports.replay_page.results import Results, load_results
from hiseg_ros.reports.replay_page.score_tree import flicker_tree, iou_tree
from hiseg_ros.reports.replay_page.sign_table import MAX_ROWS, SignRow, sign_rows
from hiseg_ros.reports.replay_page.timeline import timeline

FILE_NAME = 'report.html'

PAGE = Path(__file__).with_name('page')
STYLES = ('base.css', 'timeline.css', 'viewer.css', 'figures.css', 'narrow.css')
SCRIPTS = (
    'start.js', 'plots.js', 'timeline.js', 'viewer.js', 'pixels.js', 'drive.js', 'confusion.js',
    'lists.js',
)  # fmt: skip
"""Files that are joined, in this order, to one style sheet and one script."""


def write_report(folder: Path, path: Path | None = None, *, with_timing: bool = False) -> Path:
    """Write the report of a finished replay and return its path.

    Args:
        folder: Folder of the replay.
        path: Path of the page; None for `report.html` in the folder.
        with_timing: Whether to show rate and memory of the run, from timing.json. They differ
            from run to run; without them the page is the same in every run.

    Raises:
        ConfigError: The folder holds no finished replay, or the page cannot be written.
        BagError: The new bag is damaged.
    """
    path = folder / FILE_NAME if path is None else path
    # An unfinished page must not be left among the results.
    work = folder / WORK if path.parent == folder else path.parent
    results = load_results(folder)
    text = render(results, results.timing() if with_timing else None)
    scratch = work / f'{path.name}.tmp'
    try:
        work.mkdir(parents=True, exist_ok=True)
        with output_file(scratch).open('w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        if work != path.parent:
            with suppress(OSError):  # another process may be using it
                work.rmdir()
    except OSError as error:
        raise ConfigError(
            f'The report {path} cannot be written ({error}); expected a folder with room and the '
            'right to write: name another with --output.'
        ) from error
    return path


def render(results: Results, timing: dict[str, Any] | None = None) -> str:
    """Return the page as HTML: everything in one file, nothing from the network.

    Raises:
        BagError: The new bag is damaged.
    """
    metrics, mapping = results.metrics, results.mapping
    scores = metrics['scores']
    if scores and not scores['frames_with_truth']:
        scores = None
    painter = Painter(results.taxonomy, mapping)
    cameras, signs = _cameras(results, painter)
    script = _script()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE, encoding='utf-8'),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {'percent': percent, 'grouped': grouped, 'clock': clock}
    data = {
        'cameras': cameras,
        'nodes': painter.nodes(),
        'labels': painter.labels(),
        'confusions': confusions(scores) if scores else [],
    }
    return environment.get_template('page.html.j2').render(
        metrics=metrics,
        run=metrics['run'],
        scores=scores,
        ways=WAYS,
        findings=findings(metrics, results.tables),
        iou_tree=iou_tree(scores, mapping, results.taxonomy) if scores and mapping else (),
        flicker_trees=[
            flicker_tree(camera['stability'], results.taxonomy) for camera in metrics['cameras']
        ],
        histograms=[_histogram(camera['confidence']) for camera in metrics['cameras']],
        signs=signs,
        max_missed=MAX_MISSED,
        # Replays of earlier versions have no live metrics.
        live_charts=[live_charts(row) for row in metrics.get('live') or ()],
        stage_names=STAGES,
        timing=timing,
        style=Markup(''.join((PAGE / name).read_text('utf-8') for name in STYLES)),
        script=Markup(script),
        script_hash=_digest(script),
        data=Markup(_as_json(data)),
    )


def _cameras(
    results: Results, painter: Painter
) -> tuple[list[dict[str, Any]], list[tuple[SignRow, ...]]]:
    """Return the script's data of each camera, and the rows of its signs."""
    metrics = results.metrics
    count = len(metrics['cameras'])
    cameras, signs = [], []
    depths = {c['topic']: c['bit_depth']['bits'] for c in metrics['cameras'] if 'bit_depth' in c}
    with FrameSource(results.bag, depths) as source:
        for number, (camera, table) in enumerate(
            zip(metrics['cameras'], results.tables, strict=True)
        ):
            truth = metrics['bag']['truth_topic'] if number == 0 else None
            topics = ShotTopics(camera['topic'], camera['node'], truth)
            drive = drive_images(topics, table, painter, source, count)
            records = results.records([image['frame'] for image in drive['images']])
            for image in drive['images']:
                image['signs'] = [
                    [row['node_id'], row['score'], *row['roi']]
                    for row in records[image['frame']]['signs']
                ]
            cameras.append({'topic': camera['topic'], **timeline(table), **drive})
            rows = max(10, MAX_ROWS // count)
            signs.append(sign_rows(camera, table, results.taxonomy, source, rows))
    return cameras, signs


def _histogram(confidence: dict[str, Any]) -> list[float]:
    """Return the share of pixels in each of 16 steps of confidence."""
    counts = confidence['histogram']
    total = max(1, sum(counts))
    return [sum(counts[start : start + 16]) / total for start in range(0, 256, 16)]


def _script() -> str:
    parts = [(PAGE / name).read_text('utf-8') for name in SCRIPTS]
    return "(() => {\n'use strict';\n" + '\n'.join(parts) + '})();'


def _digest(script: str) -> str:
    """Return the hash of the script for the page's content security policy."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _as_json(data: Any) -> str:
    """Return data as JSON in which no text can end the script element."""
    text = json.dumps(data, separators=(',', ':'), ensure_ascii=False)
    return text.replace('<', '\\u003c')
