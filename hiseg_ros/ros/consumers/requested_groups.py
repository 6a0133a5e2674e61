# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The topic groups that the parameters ask for, and the label_info of each label set."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from hiseg_ros.ros.consumers import nav2, semantic
from hiseg_ros.ros.consumers.autoware import Autoware
from hiseg_ros.ros.consumers.label_set import LabelSet, chosen_sets, label_info
from hiseg_ros.ros.consumers.points import Points
from hiseg_ros.ros.consumers.semantic import Semantic
from hiseg_ros.ros.consumers.signs import Signs
from hiseg_ros.ros.consumers.topic_group import Late, TopicGroup
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy, load_mapping


def requested_groups(
    node: Node, camera: str, taxonomy: Taxonomy, parameters: NodeParameters, late: Late
) -> list[TopicGroup]:
    """Return the groups of topics of one camera.

    Args:
        node: The node that publishes them.
        camera: Namespace of the camera; empty for the only one.
        taxonomy: Tree of the labels.
        parameters: They ask for the groups.
        late: For groups that publish in a thread of their own.

    Raises:
        ConfigError: A parameter cannot be used, or numba is not installed.
        MappingError: A mapping is missing or does not fit the taxonomy.
    """
    groups: list[TopicGroup] = [Signs(taxonomy)]
    groups += [LabelSet(mapping, taxonomy) for mapping in chosen_sets(parameters, taxonomy)]
    if parameters.autoware_classes:
        mapping = load_mapping(parameters.autoware_classes, taxonomy)
        groups.append(Autoware(mapping, taxonomy))
    labels = parameters.semantic_classes
    groups.append(Semantic(load_mapping(labels, taxonomy) if labels else None, taxonomy))
    if parameters.points_source != 'none':
        groups.append(Points(node, camera, taxonomy, parameters, late))
    if parameters.nav2_classes:  # last, since it subscribes
        mapping = load_mapping(parameters.nav2_classes, taxonomy)
        groups.append(nav2.Nav2(node, camera, mapping, taxonomy, parameters))
    return groups


def label_infos(taxonomy: Taxonomy, parameters: NodeParameters) -> dict[str, Any]:
    """Return the vision_msgs/LabelInfo of each label set by its topic, without ~ and camera.

    Nav2 warns of every class that its parameters lack and rebuilds its table at each message. So
    there is one message, with exactly the classes of the mapping.

    Returns:
        An empty dict where vision_msgs is not installed.

    Raises:
        ConfigError: Parameter label_sets cannot be used.
        MappingError: A mapping is missing or does not fit the taxonomy.
    """
    infos = {
        f'{mapping.name}/label_info': label_info(mapping)
        for mapping in chosen_sets(parameters, taxonomy)
    }
    if parameters.nav2_classes:
        mapping = load_mapping(parameters.nav2_classes, taxonomy)
        infos[nav2.LABEL_INFO] = label_info(mapping, parameters.nav2_min_probability)
    if parameters.semantic_classes:
        mapping = load_mapping(parameters.semantic_classes, taxonomy)
        infos[semantic.LABEL_INFO] = label_info(mapping)
    return {topic: info for topic, info in infos.items() if info is not None}
