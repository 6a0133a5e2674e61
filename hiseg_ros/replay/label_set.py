# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The ground truth's labels among the facts of a replay, so that its folder explains itself."""

from __future__ import annotations

import hashlib
from typing import Any

from hiseg_ros.taxonomy import Label, Mapping


def mapping_facts(mapping: Mapping) -> dict[str, Any]:
    """Return a mapping as plain values, with a digest over all of it."""
    return {
        'name': mapping.name,
        'sha256': hashlib.sha256(repr(mapping).encode()).hexdigest(),
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
    }


def mapping_of(facts: dict[str, Any]) -> Mapping:
    """Return the mapping that was given to `mapping_facts`.

    Raises:
        KeyError: They are those of an earlier version, which did not have the labels.
    """
    labels = tuple(
        Label(row['label_id'], row['name'], tuple(row['leaves']), row['evaluated'])
        for row in facts['labels']
    )
    return Mapping(facts['name'], labels, tuple(facts['unlabeled_ids']))
