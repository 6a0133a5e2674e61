# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A short drive and small settings for whole adaptations."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_adaptation import make_small, write_short_drive


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag of 24 views that move over a drawn street, 96 x 160."""
    return write_short_drive(tmp_path_factory.mktemp('drive') / 'bag')


@pytest.fixture(scope='session')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for drawn scenes and features, the same for all tests."""
    return tmp_path_factory.mktemp('cache')


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make adaptations small, and their verdict lenient."""
    make_small(monkeypatch)
