# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Summary of a replay in sentences: its weakest labels, mistakes, flicker, signs and latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hiseg_ros.evaluation.report import percent
from hiseg_ros.reports.replay_page.frame_table import FrameTable

COUNT = 3
"""Most labels, mistakes or nodes in a sentence."""
MIN_SHARE = 0.001
"""Least share of the pixels for a label, and for a mistake of a label, to be listed."""
MIN_STEADY = 0.01
"""Least share of the steady pixels for a node to be listed for its flicker."""
FEW = 5
"""Sightings from which on a sign counts as seen for long."""


def findings(metrics: dict[str, Any], tables: Sequence[FrameTable]) -> tuple[tuple[str, str], ...]:
    """Return (title, sentence) pairs, the most important first."""
    scores = metrics['scores']
    found = [*_of_truth(scores, tables[0])] if scores and scores['frames_with_truth'] else []
    for camera in metrics['cameras']:
        where = f' ({camera["topic"]})' if len(metrics['cameras']) > 1 else ''
        found += [(name + where, text) for name, text in _of_camera(camera)]
    return (*found, *_of_live(metrics.get('live') or ()))


def _of_truth(scores: dict[str, Any], table: FrameTable) -> list[tuple[str, str]]:
    nodes = scores['nodes']
    total = sum(nodes['pixels'].values())
    known = [
        (iou, name)
        for name, iou in nodes['iou'].items()
        if iou is not None and nodes['pixels'][name] >= MIN_SHARE * total
    ]
    weakest = ', '.join(f'{name} {percent(iou)} %' for iou, name in sorted(known)[:COUNT])
    found = [('Weakest labels', f'{weakest} IoU.')] if weakest else []
    mistakes = _mistakes(nodes['confusion'])
    if mistakes:
        found.append(('Most common mistakes', '; '.join(mistakes) + '.'))
    top = nodes['by_level'][0]
    found.append(
        (
            'Coarser labels',
            f'mIoU {percent(nodes["miou"])} % over {len(nodes["iou"])} labels, '
            f'{percent(top["miou"])} % over {top["groups"]} groups at level 1.',
        )
    )
    miou = table.values['miou']
    if table.has_truth:
        row = int(np.nanargmin(miou))
        time = clock(float(table.drive_time_s()[row]))
        text = f'frame {int(table.frame[row])} at {time} with mIoU {percent(float(miou[row]))} %.'
        found.append(('Worst frame', text))
    return found


def _mistakes(confusion: dict[str, Any]) -> list[str]:
    counts = np.array(confusion['pixels'], np.float64)
    total, support = counts.sum(), counts.sum(1, keepdims=True)
    share = counts / np.maximum(1, support)
    share[(support < MIN_SHARE * total)[:, 0]] = 0
    np.fill_diagonal(share, 0)
    # One mistake per label, or all would be those of the weakest label.
    most = share.argmax(1)
    rows = np.argsort(-share.max(1), kind='stable')[:COUNT].tolist()
    outside = share.shape[1] - 1
    return [
        f'{percent(float(share[row, most[row]]))} % of {confusion["rows"][row]} is '
        + ('none of the labels' if most[row] == outside
           else f'taken for {confusion["columns"][most[row]]}')
        for row in rows
        if share[row, most[row]] >= MIN_SHARE
    ]  # fmt: skip


def _of_camera(camera: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    confidence, stability = camera['confidence'], camera['stability']
    if confidence['mean'] is not None:
        text = (
            f'{percent(confidence["mean"])} % on average; {percent(confidence["low_share"])} % of '
            'the pixels are decided with a probability below one half.'
        )
        found.append(('Confidence', text))
    if stability['flicker'] is not None:
        text = (
            f'{percent(stability["flicker"])} % of the steady pixels change their label from '
            f'frame to frame, {percent(stability["flicker_by_level"][0]["flicker"])} % at level 1'
        )
        rows = [
            row
            for row in stability['by_node']
            if row['steady_pixels'] >= MIN_STEADY * stability['steady_pixels']
        ]
        rows.sort(key=lambda row: (-row['flicker'], row['node_id']))
        worst = ', '.join(f'{row["name"]} {percent(row["flicker"])} %' for row in rows[:COUNT])
        found.append(('Flicker', f'{text}; most: {worst}.' if worst else f'{text}.'))
    tracks = camera['sign_tracks']
    if tracks:
        long = sum(track['sightings'] >= FEW for track in tracks)
        text = f'{len(tracks)} followed, {long} of them seen in {FEW} frames or more.'
        found.append(('Signs', text))
    return found


def _of_live(live: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for row in live:
        where = f' ({row["camera"]})' if len(live) > 1 else ''
        is_one, dropped = row['is_one_clock'], row['dropped']
        late = row['latency_ms' if is_one else 'behind_image_ms']
        since = 'the stamp' if is_one else 'the image'
        text = (
            f'Half of the labels came within {late["median"]:.0f} ms of {since}, 95 % within '
            f'{late["p95"]:.0f} ms; {percent(dropped["share"])} % of the images had no result.'
        )
        found.append((f'The node, live{where}', text))
    return found


def clock(seconds: float) -> str:
    """Return a drive time as minutes, seconds and tenths, such as 2:05.3."""
    tenths = round(10 * seconds)
    return f'{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}'
