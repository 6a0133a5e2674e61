# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The mapping of the ground truth as JSON, kept with a replay's results."""

from __future__ import annotations

import hashlib
from typing import Any

from hiseg_ros.taxonomy import Label, Mapping


def mapping_facts(mapping: Mapping) -> dict[str, Any]:
    """Return a mapping as plain values, with a digest of the whole mapping."""
    # Mappings without such pairs keep the digest that earlier versions wrote.
    pairs = repr(mapping.counted_as) if mapping.counted_as else ''
    return {
        'name': mapping.name,
        'sha256': hashlib.sha256((repr(mapping) + pairs).encode()).hexdigest(),
        'labels': [
            {
                'label_id': label.label_id,
                'name': label.name,
                'leaves': list(label.leaves),
                'evaluated': label.evaluated,
            }
            for label in mapping.labels
        ],
        'unlabeled_ids': list(mapping.unlabeled_ids),
        **({'counted_as': [list(pair) for pair in mapping.counted_as]} if pairs else {}),
    }


def mapping_of(facts: dict[str, Any]) -> Mapping:
    """Return the mapping that was given to `mapping_facts`.

    Raises:
        KeyError: An earlier version wrote them, without the labels.
    """
    labels = tuple(
        Label(row['label_id'], row['name'], tuple(row['leaves']), row['evaluated'])
        for row in facts['labels']
    )
    counted_as = tuple((label_id, counted) for label_id, counted in facts.get('counted_as', []))
    return Mapping(facts['name'], labels, tuple(facts['unlabeled_ids']), counted_as=counted_as)
