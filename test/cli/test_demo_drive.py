# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The drawn drive of the demo is drawn once, and again only when the drawing code changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.bags.bag import read_images
from hiseg_ros.cli.shared import drawn_drive as module
from hiseg_ros.cli.shared.drawn_drive import DrivePlan, draw, drawn_drive
from hiseg_ros.datasets.scenes import LEAF_NAMES, Drive
from hiseg_ros.resources import cache_folder
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import UNLABELED

PLAN = DrivePlan(seed=1, size=(48, 96), rate_hz=10.0, frames=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return cache_folder()


@pytest.mark.slow
def test_a_drive_is_drawn_once_with_its_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    path = drawn_drive(plan=PLAN)
    truth = list(read_images(path, '/ground_truth/node_ids/compressed'))
    assert len(truth) == len(list(read_images(path, '/camera/image_raw/compressed'))) == 3
    np.testing.assert_array_equal(truth[2][1], draw(PLAN, 2).labels)
    monkeypatch.setattr(module, 'drawn_frames', lambda plan: pytest.fail('drawn a second time'))
    assert drawn_drive(plan=PLAN) == path
    assert drawn_drive(0.1, PLAN) == path


def test_the_truth_is_in_node_ids_of_the_street_taxonomy() -> None:
    plan = replace(PLAN, size=(96, 192))
    scene = Drive(plan.seed, plan.size, plan.rate_hz).frame(0)
    labels = draw(plan, 0).labels
    assert labels is not None
    names = {node.node_id: node.name for node in load_taxonomy('street').nodes}
    for leaf in np.unique(scene.labels[scene.labels != UNLABELED]):
        [node_id] = np.unique(labels[scene.labels == leaf])
        assert names[int(node_id)] == LEAF_NAMES[leaf]


@pytest.mark.slow
def test_a_longer_drive_is_kept_beside_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = drawn_drive(plan=PLAN)
    longer = drawn_drive(0.4, PLAN)
    assert longer != usual
    assert usual.is_dir()
    assert len(list(read_images(longer, '/camera/image_raw/compressed'))) == 4


@pytest.mark.slow
def test_another_drawing_takes_the_place_of_the_one_before() -> None:
    before = drawn_drive(plan=PLAN)
    after = drawn_drive(plan=replace(PLAN, seed=2))
    assert after.is_dir()
    assert not before.exists()


@pytest.mark.slow
def test_the_node_knows_the_size_of_the_images_before_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So the network is compiled when the drive begins, and no image waits for that."""
    from hiseg_ros.cli.__main__ import main
    from hiseg_ros.errors import ConfigError
    from hiseg_ros.ros.harness import live_run

    plans: list[live_run.LivePlan] = []

    def not_run(plan: live_run.LivePlan, on_progress: object) -> None:
        plans.append(plan)
        raise ConfigError('enough')

    monkeypatch.setattr(live_run, 'run_live', not_run)
    bag = drawn_drive(plan=PLAN)
    assert main(['demo', str(bag), '--output', str(tmp_path / 'demo')]) == 2
    assert dict(plans[0].parameters)['image_sizes'] == '["48x96"]'
