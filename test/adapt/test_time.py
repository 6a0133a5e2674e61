# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""As many steps as the time allows, and an end when it is over."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import draw_camvid, small_config

from hiseg_ros.errors import ConfigError

pytestmark = pytest.mark.needs('torch', 'train')
pytest.importorskip('lightning')

from hiseg_ros.adapt.budget import RESERVE_S, Budget, fit_steps  # noqa: E402
from hiseg_ros.adapt.recipe import MOST_STEPS  # noqa: E402
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402
from hiseg_ros.training.run import time_limit  # noqa: E402
from hiseg_ros.training.run.time_limit import Pace, TimeLimit  # noqa: E402
from hiseg_ros.training.run.train import train  # noqa: E402


def test_steps_fill_the_time_that_is_left() -> None:
    now = time.monotonic()
    plan = fit_steps(2.0, Budget(1000, now - 100, 80))
    assert plan['steps'] == pytest.approx((1000 - 100 - 80 - RESERVE_S) / 2, abs=2)
    assert plan['seconds'] == pytest.approx(800, abs=2)
    assert fit_steps(0.001, Budget(3600, now))['steps'] == MOST_STEPS


def test_too_little_time_says_how_much_is_needed() -> None:
    with pytest.raises(ConfigError, match=r'1 minutes leave time for 4 steps of 10.0 s .* '
                       r'expected at least 20 steps: give --minutes 5 or more'):  # fmt: skip
        fit_steps(10.0, Budget(60, time.monotonic() + 5))


class Clock:
    """Goes on by a second whenever it is asked."""

    now = 0.0

    def perf_counter(self) -> float:
        """Return the time."""
        self.now += 1.0
        return self.now


def test_a_run_ends_when_its_time_is_over_and_its_weights_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes a second here; what was spent is in the checkpoint."""
    import torch

    monkeypatch.setattr(time_limit, 'time', Clock())
    config = replace(small_config(draw_camvid(tmp_path / 'camvid')), steps=40, validation=None)
    limit = TimeLimit(7.0)
    weights = train(config, tmp_path / 'run', accelerator='cpu', callbacks=[limit])
    load_checkpoint(weights).build()
    last = torch.load(tmp_path / 'run/checkpoints/last.ckpt', weights_only=True)
    assert limit.spent == 7.0
    assert last['global_step'] == 7
    resumed = TimeLimit(7.0)
    resumed.load_state_dict(last['callbacks']['TimeLimit'])
    assert resumed.spent == 7.0


def test_the_pace_is_that_of_steps_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 100.0, 102.0, 104.5, 106.5])

    class Given:
        @staticmethod
        def perf_counter() -> float:
            return next(times)

    monkeypatch.setattr(time_limit, 'time', Given)
    pace = Pace()
    for number in range(5):
        pace.on_train_batch_end(None, None, None, None, number)  # type: ignore[arg-type]
    assert pace.seconds_per_step == 2.0
