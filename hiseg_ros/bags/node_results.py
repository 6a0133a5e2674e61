# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a recording a node of ours has published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hiseg_ros.bags.bag import IMAGE_TYPES, Topic

NODE = '/segmentation'
"""The node's name, below the camera's namespace where there are several cameras."""

TAXONOMY, STATS = 'hiseg_ros/msg/Taxonomy', 'hiseg_ros/msg/FrameStats'

_BESIDE_LABELS = ('confidence', 'traffic_signs')


def node_namespaces(topics: Iterable[Topic]) -> tuple[str, ...]:
    """Return what the names of a node's topics begin with."""
    kinds = {topic.name: topic.message_type for topic in topics}
    found = {
        name.removesuffix(end)
        for name, kind in kinds.items()
        for end, expected in (('taxonomy', TAXONOMY), ('stats', STATS))
        if kind == expected and name.endswith(f'/{end}')
    }
    for place in _places(kinds):
        # Beside labels that may be another's only what a node of ours would publish there.
        found |= (
            {f'{place}/'}
            if place.endswith(NODE)
            else {f'{place}/{name}' for name in ('labels', 'level_', 'overlay/', *_BESIDE_LABELS)}
        )
    return tuple(sorted(found - {'/'}))  # topics that were renamed tell nothing about others


def result_places(topics: Iterable[Topic]) -> tuple[str, ...]:
    """Return where the labels of each camera are: /segmentation for /segmentation/labels.

    One node may serve several cameras: /segmentation/front/labels. Labels alone, without what a
    node publishes beside them, are in other ids, unless the node has its usual name.
    """
    return _places({topic.name: topic.message_type for topic in topics if topic.count})


def _places(kinds: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    for name, kind in kinds.items():
        place = name.removesuffix('/labels')
        if place == name or kind != IMAGE_TYPES[0]:
            continue
        is_ours = kinds.get(f'{place}/taxonomy') == TAXONOMY
        is_ours |= kinds.get(f'{place}/stats') == STATS or place.endswith(NODE)
        if is_ours or any(f'{place}/{other}' in kinds for other in _BESIDE_LABELS):
            found.append(place)
    return tuple(sorted(found))
