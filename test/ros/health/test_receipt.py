# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A receipt counts its frame exactly once, whoever decides and in whichever thread."""

from __future__ import annotations

import random
import threading
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from receipts import check_one_fate, health_and_receipt

if TYPE_CHECKING:
    from hiseg_ros.ros.health.receipt import Receipt

pytestmark = pytest.mark.needs('ros')

CAUSES = ('busy', 'stale', 'bad', 'unwanted', 'stopped', 'memory', 'rate')


@pytest.mark.parametrize('fate', ['processed', *CAUSES])
def test_the_fate_is_counted_and_stays(fate: str) -> None:
    """A second fate raises and counts nothing; letting go changes nothing either."""
    health, receipt = health_and_receipt()
    with receipt:
        give(receipt, fate)
        for second in ('processed', *CAUSES):
            with pytest.raises(RuntimeError, match=f'counted as {fate} is to be .*{second}'):
                give(receipt, second)
    assert receipt.fate == fate
    check_one_fate(health, receipt)


def give(receipt: Receipt, fate: str) -> None:
    """Give a frame a fate."""
    if fate == 'processed':
        receipt.processed(1.0, {})
    else:
        receipt.dropped(fate, 'a reason')


def test_a_cause_that_does_not_exist_is_refused_and_the_frame_still_gets_its_fate() -> None:
    health, receipt = health_and_receipt()
    with pytest.raises(ValueError, match="'tired'"), receipt:
        receipt.dropped('tired')
    assert receipt.fate == 'stopped'
    check_one_fate(health, receipt)


def test_only_the_last_holder_decides_and_only_where_nobody_did() -> None:
    """Random ways of holding, letting go and deciding, against the rule itself."""
    for seed in range(300):
        draw = random.Random(seed)
        health, receipt = health_and_receipt()
        holders, fate = 0, ''
        for _ in range(draw.randrange(1, 12)):
            step = draw.choice(['hold', 'hold', 'let go', 'decide'])
            if step == 'hold':
                receipt.__enter__()
                holders += 1
            elif step == 'let go' and holders:
                receipt.__exit__(None, None, None)
                holders -= 1
                fate = fate or ('' if holders else 'stopped')
            elif step == 'decide' and not fate:
                fate = draw.choice(['processed', *CAUSES])
                give(receipt, fate)
            assert receipt.fate == fate
            counters = health.counters
            assert counters.processed + counters.dropped == bool(fate)
        for _ in range(holders):
            receipt.__exit__(None, None, None)
        if fate or holders:
            check_one_fate(health, receipt)


def test_of_two_threads_that_decide_one_wins_and_the_other_raises() -> None:
    for fates in product(('processed', 'bad', 'stopped'), repeat=2):
        for _ in range(20):
            health, receipt = health_and_receipt()
            start, refused = threading.Barrier(2), []

            def decide(fate: str, receipt: Any = receipt, start: Any = start) -> None:
                start.wait(30.0)
                try:
                    give(receipt, fate)
                except RuntimeError:
                    refused.append(fate)  # noqa: B023 (the threads end before the next round)

            threads = [threading.Thread(target=decide, args=(fate,)) for fate in fates]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30.0)
            assert len(refused) == 1
            check_one_fate(health, receipt)


# The receipts of frames on their way: a processor with faults anywhere.
