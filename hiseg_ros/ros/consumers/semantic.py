# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labels as 16SC1, which semantic_inference publishes and Hydra reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from hiseg_ros.ros.consumers.label_set import label_decision
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED

LABELS, LABEL_INFO = 'semantic/image_raw', 'semantic/label_info'
"""The first has the name that semantic_inference gives it."""

UNLABELED_VALUE = -1


class Semantic:
    """~/semantic/image_raw: node ids, or the labels of a mapping; -1 where unlabeled."""

    def __init__(self, mapping: LabelMapping | None, taxonomy: Taxonomy) -> None:
        """Prepare the decision.

        Args:
            mapping: Its labels are published; None for node ids.
            taxonomy: Tree of the labels.

        Raises:
            ConfigError: There is a mapping, and numba is not installed.
            MappingError: The mapping's ids do not fit a byte.
        """
        self.kinds: Mapping[str, type] = {LABELS: Image}
        self._decide = label_decision(mapping, taxonomy) if mapping is not None else None
        self._table = np.arange(256, dtype=np.int16)
        unlabeled = UNLABELED if self._decide is None else self._decide.unlabeled_id
        self._table[unlabeled] = UNLABELED_VALUE
        self._last: Any = None

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield the label image; see `TopicGroup`."""
        if LABELS not in wanted:
            return
        labels = product.segmentation.labels
        if self._decide is not None:
            labels, _ = self._decide(product.segmentation.probabilities)
        again, self._last = self._last, None
        self._last = messages.signed_labels_message(product.header, labels, self._table, again)
        yield LABELS, self._last

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""
