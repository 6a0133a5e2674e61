# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label images in the label ids of a dataset, for programs that expect those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from hiseg_ros.errors import ConfigError
from hiseg_ros.ros.consumers.message_packages import VISION, message_type
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy, load_mapping

if TYPE_CHECKING:
    from hiseg_ros.decision.mapped_sparse import SparseLabelDecision

_TOPIC = re.compile(r'[A-Za-z]\w*', re.ASCII)
_TAKEN = re.compile(r'level_\d+|overlay|traffic_signs|nav2|autoware|semantic')


class LabelSet:
    """~/<name>/labels, decided by the summed probability of each label's leaves."""

    def __init__(self, mapping: LabelMapping, taxonomy: Taxonomy) -> None:
        """Prepare the decision.

        Raises:
            ConfigError: numba is not installed.
            MappingError: The mapping's ids do not fit a mono8 image.
        """
        self._topic = f'{mapping.name}/labels'
        self.kinds: Mapping[str, type] = {self._topic: Image}
        self._decide = label_decision(mapping, taxonomy)

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield the label image; see `TopicGroup`."""
        if self._topic in wanted:
            labels, _ = self._decide(product.segmentation.probabilities)
            yield self._topic, messages.labels_message(product.header, labels)

    def destroy(self) -> None:
        """Do nothing: there is no subscription."""


def chosen_sets(parameters: NodeParameters, taxonomy: Taxonomy) -> tuple[LabelMapping, ...]:
    """Return the mappings that parameter label_sets asks for.

    Raises:
        ConfigError: A mapping's name cannot be part of a topic, is taken or occurs twice.
        MappingError: A mapping is missing or does not fit the taxonomy.
    """
    chosen = [load_mapping(entry, taxonomy) for entry in parameters.label_sets if entry]
    names = [mapping.name for mapping in chosen]
    for name in names:
        if not _TOPIC.fullmatch(name) or _TAKEN.fullmatch(name) or names.count(name) > 1:
            raise ConfigError(
                f'Parameter label_sets asks for a mapping with the name {name!r}; expected '
                'different names of letters, digits and _ that no other output has, since the '
                'topic is ~/<name>/labels: change the name in the mapping file.'
            )
    return tuple(chosen)


def label_decision(mapping: LabelMapping, taxonomy: Taxonomy) -> SparseLabelDecision:
    """Return the decision for the labels of a mapping.

    Raises:
        ConfigError: numba is not installed.
        MappingError: The mapping's ids do not fit a mono8 image.
    """
    try:
        from hiseg_ros.decision.mapped_sparse import SparseLabelDecision
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f'Python has no module {problem.name}, which label sets, nav2 and autoware need; '
            'expected it beside the backend: pip install numba.'
        ) from problem
    return SparseLabelDecision(mapping, taxonomy)


def label_info(mapping: LabelMapping, threshold: float = 0.0) -> Any | None:
    """Return a vision_msgs/LabelInfo of the labels, or None where vision_msgs is not installed.

    Args:
        mapping: Its evaluated labels are the classes.
        threshold: Probability below which a pixel is unlabeled.
    """
    kind, vision_class = (message_type(VISION, n) for n in ('LabelInfo', 'VisionClass'))
    if kind is None or vision_class is None:
        return None
    message = kind(header=Header(), threshold=threshold)
    message.class_map = [
        vision_class(class_id=label.label_id, class_name=label.name)
        for label in mapping.evaluated_labels
    ]
    return message
