# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrices for the page: of the labels, and of the tree levels that merge labels."""

from __future__ import annotations

from typing import Any

WAYS = {'nodes': 'node labels, as published', 'summed': 'summed probability'}
"""The two decisions that are scored, with their titles."""


def confusions(scores: dict[str, Any]) -> list[dict[str, Any]]:
    """Return {'title', 'nodes', 'summed'}, each of these with 'rows', 'columns' and 'pixels'.

    A level that separates all labels is left out: its matrix is that of the labels.
    """
    labels = len(scores['nodes']['iou'])
    found = [{'title': 'Labels of the ground truth', **{w: scores[w]['confusion'] for w in WAYS}}]
    for position, level in enumerate(scores['nodes']['by_level']):
        if level['groups'] < labels:
            title = f'Level {level["level"]}: {level["groups"]} groups'
            matrices = {way: scores[way]['by_level'][position]['confusion'] for way in WAYS}
            found.append({'title': title, **matrices})
    return found
