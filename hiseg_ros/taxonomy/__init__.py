# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tree of classes, and mappings of datasets onto it."""

from hiseg_ros.taxonomy.mapping import Label, Mapping, load_mapping, without_alias
from hiseg_ros.taxonomy.schema import dump_taxonomy, load_taxonomy
from hiseg_ros.taxonomy.tree import Node, Taxonomy

__all__ = [
    'Label',
    'Mapping',
    'Node',
    'Taxonomy',
    'dump_taxonomy',
    'load_mapping',
    'load_taxonomy',
    'without_alias',
]
