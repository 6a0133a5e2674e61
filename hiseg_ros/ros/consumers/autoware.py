# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Autoware's mask: a mono8 image message whose data are run-length encoded."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from hiseg_ros.ros.consumers.label_set import label_decision
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import LabelImage

MASK = 'autoware/mask'
_RUN = np.dtype([('value', 'u1'), ('length', '<i4')])


class Autoware:
    """~/autoware/mask; published only on request, since no viewer can show it."""

    def __init__(self, mapping: LabelMapping, taxonomy: Taxonomy) -> None:
        """Prepare the decision.

        Raises:
            ConfigError: numba is not installed.
            MappingError: The mapping's ids do not fit a mono8 image.
        """
        self.kinds: Mapping[str, type] = {MASK: Image}
        self._decide = label_decision(mapping, taxonomy)

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield the mask; see `TopicGroup`."""
        if MASK not in wanted:
            return
        labels, _ = self._decide(product.segmentation.probabilities)
        message = Image(header=product.header, encoding='mono8')
        message.height, message.width = labels.shape
        message.step = message.width
        message.data = array('B', encode_runs(labels))
        yield MASK, message

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""


def encode_runs(labels: LabelImage) -> bytes:
    """Return the run-length encoding: value as uint8 and length as little-endian int32 each.

    Runs go on over the ends of rows.

    Args:
        labels: (H, W) uint8, neither side 0.
    """
    flat: NDArray[np.uint8] = labels.reshape(-1)
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    runs = np.empty(len(starts), _RUN)
    runs['value'] = flat[starts]
    runs['length'] = np.diff(starts, append=flat.size)
    return runs.tobytes()
