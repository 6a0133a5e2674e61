# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Finding the topics of a recording that a hiseg_ros node has published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hiseg_ros.bags.bag import IMAGE_TYPES, Topic

NODE = '/segmentation'
"""The node's default name; a replay of several cameras puts a namespace in front of it."""

TAXONOMY, STATS = 'hiseg_ros/msg/Taxonomy', 'hiseg_ros/msg/FrameStats'

_BESIDE_LABELS = ('confidence', 'traffic_signs')


def node_namespaces(topics: Iterable[Topic]) -> tuple[str, ...]:
    """Return the prefixes of all topics that hiseg_ros nodes have published."""
    kinds = {topic.name: topic.message_type for topic in topics}
    found = {
        name.removesuffix(end)
        for name, kind in kinds.items()
        for end, expected in (('taxonomy', TAXONOMY), ('stats', STATS))
        if kind == expected and name.endswith(f'/{end}')
    }
    for place in _places(kinds):
        # The labels may be those of another program: only topics that our node publishes.
        found |= (
            {f'{place}/'}
            if place.endswith(NODE)
            else {f'{place}/{name}' for name in ('labels', 'level_', 'overlay/', *_BESIDE_LABELS)}
        )
    return tuple(sorted(found - {'/'}))  # a prefix of all topics says nothing


def result_places(topics: Iterable[Topic]) -> tuple[str, ...]:
    """Return the prefix of each camera's results: /segmentation for /segmentation/labels.

    One node may serve several cameras: /segmentation/front/labels. A labels topic without other
    topics of the node beside it holds other ids and is left out, unless the prefix ends in the
    node's default name.
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
