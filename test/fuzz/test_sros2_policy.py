# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The shipped SROS 2 policy allows what the node does, and nothing that it does not."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from hiseg_ros.resources import config_path

if TYPE_CHECKING:
    from ros_graph import Graph

POLICY = config_path('sros2/policy.xml')

CHILDREN = {
    'policy': ['enclaves'], 'enclaves': ['enclave'], 'enclave': ['profiles'],
    'profiles': ['profile'], 'profile': ['topics', 'services', 'actions'], 'topics': ['topic'],
    'services': ['service'], 'actions': ['action'],
}  # fmt: skip
"""Of policy version 0.2.0 of SROS 2: each element and what may stand in it."""

ATTRIBUTES = {
    'policy': {'version'}, 'enclave': {'path'}, 'profile': {'ns', 'node'},
    'topics': {'publish', 'subscribe'}, 'services': {'reply', 'request'},
    'actions': {'call', 'execute'},
}  # fmt: skip
RULES = ('publish', 'subscribe', 'reply', 'request', 'call', 'execute')


def allowed(kind: str, rule: str) -> set[str]:
    """Return the full names that the policy allows, with their wildcards."""
    profile = next(ElementTree.parse(POLICY).iter('profile'))
    namespace, node = profile.get('ns', ''), profile.get('node', '')
    names = set()
    for group in profile.findall(kind):
        if group.get(rule) == 'ALLOW':
            for item in group:
                name = str(item.text).strip()
                private = f'{namespace.rstrip("/")}/{node}'
                name = name.replace('~', private, 1) if name.startswith('~') else name
                names.add(name if name.startswith('/') else f'{namespace.rstrip("/")}/{name}')
    return names


def test_the_policy_has_the_form_of_sros2() -> None:
    """Elements, attributes and values of its schema."""

    def check(element: ElementTree.Element) -> None:
        assert set(element.keys()) <= ATTRIBUTES.get(element.tag, set()), element.tag
        assert all(element.get(rule) in (None, 'ALLOW', 'DENY') for rule in RULES)
        if element.tag in CHILDREN:
            assert [child.tag for child in element if child.tag not in CHILDREN[element.tag]] == []
            assert len(element) > 0
            for child in element:
                check(child)
        else:
            assert re.fullmatch(r'[~/]?[\w/~*]+', str(element.text))

    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.get('version')) == ('policy', '0.2.0')
    [enclave] = root.iter('enclave')
    assert enclave.get('path') == '/segmentation'
    check(root)


def unmatched(names: set[str], rules: set[str]) -> tuple[set[str], set[str]]:
    """Return the names that no rule allows, and the rules that allow no name."""
    return (
        {name for name in names if not any(fnmatchcase(name, rule) for rule in rules)},
        {rule for rule in rules if not any(fnmatchcase(name, rule) for name in names)},
    )


@pytest.mark.needs('ros')
def test_the_policy_is_the_nodes_real_interface(graph: Graph) -> None:
    """Every topic and service of the active node is allowed, and every rule serves one."""
    from node_support import HeldEngine, start_node, wait_active

    start_node(graph, HeldEngine().load, autostart=True, use_sim_time=True)
    wait_active(graph)
    peer = graph.peer

    def interface() -> dict[tuple[str, str], set[str]]:
        found = {
            ('topics', 'publish'): peer.get_publisher_names_and_types_by_node,
            ('topics', 'subscribe'): peer.get_subscriber_names_and_types_by_node,
            ('services', 'reply'): peer.get_service_names_and_types_by_node,
            ('services', 'request'): peer.get_client_names_and_types_by_node,
        }
        return {key: {name for name, _ in ask('segmentation', '/')} for key, ask in found.items()}

    seen = graph.until(
        lambda: (i := interface())[('topics', 'subscribe')] >= {'/image', '/clock'} and i,
        'the node has subscribed',
    )
    for (kind, rule), names in seen.items():
        refused, idle = unmatched(names, allowed(kind, rule))
        assert not refused, f'config/sros2/policy.xml lacks, to {rule}: {sorted(refused)}'
        assert not idle, f'config/sros2/policy.xml has without use, to {rule}: {sorted(idle)}'
