# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names and limits in the graph of an exported network, for its writer and its backends."""

from __future__ import annotations

INPUT, OUTPUT = 'rgb', 'node_probabilities'
"""Names of the only input, (N, h, w, 3) uint8, and of the only output, (N, V, h, w) float32."""

LOGITS = '/head/logits.{}/Conv'
"""Names of the last convolutions, numbered from 0. What follows them is the arithmetic of the
tree, from logits to node probabilities."""

BRANCHES = '/head/branches.{0}/branches.{0}.0/Conv'
"""Names of the convolutions before the last ones, where a classifier reads single points."""

FRONTIER, BELOW = '/head/logits/Conv', '/head/below.{}/Conv'
"""Names of the last convolutions where the tree is cut: that of the softmax above the cuts, and
those below each, numbered from 0."""

LARGEST_LOGIT = 60.0
"""Logits are limited to this magnitude: its exponential is far from float32's limits, so no
maximum has to be subtracted. Two siblings would both have to exceed it to be confused."""
