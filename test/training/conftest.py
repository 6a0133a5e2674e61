# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A small run that the tests of training share; imported late, for machines without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from made_once import made_once

if TYPE_CHECKING:
    from hiseg_ros.training.config.experiment import TrainingConfig


@pytest.fixture(scope='session')
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in CamVid's layout with 12 train and 4 val images."""
    from small_runs import draw_camvid

    return made_once(tmp_path_factory, 'camvid', draw_camvid)


@pytest.fixture(scope='session')
def config(camvid: Path) -> TrainingConfig:
    """Return a run of a few short epochs of a small network."""
    from small_runs import small_config

    return small_config(camvid)


@pytest.fixture(scope='session')
def complete(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a complete run; tests that change it take a copy."""
    from hiseg_ros.training.run.train import train

    return made_once(
        tmp_path_factory, 'complete', lambda folder: train(config, folder, accelerator='cpu')
    )


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the trainer's settings out of other tests."""
    monkeypatch.delenv('PL_GLOBAL_SEED', raising=False)
