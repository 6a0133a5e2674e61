# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replays of drawn drives, made once, for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a replay of twelve frames with ground truth."""
    from replay_support import TRUTH, mapping, replay, tree, write_drive

    from hiseg_ros.replay.mapping_facts import mapping_facts

    folder = tmp_path_factory.mktemp('replayed')
    facts = {'name': 'test', 'mapping': mapping_facts(mapping(tree()))}
    replay(write_drive(folder / 'bag', 12), folder / 'out', truth=TRUTH, facts=facts)
    return folder / 'out'
