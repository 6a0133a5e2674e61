# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images and ground truth are paired by stamp, and by recording time where stamps cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hiseg_ros.bags.pairing import Pairing, Place, pair

STEP = 100_000_000
WINDOW = 2_000_000_000
N = 8


def places(stamps: Sequence[int | None], delay_ns: int = 0, every: int = 1) -> list[Place]:
    """Return messages at 10 Hz."""
    return [
        Place(stamp, 10**18 + number * STEP + delay_ns, digest=number)
        for number, stamp in enumerate(stamps)
        if number % every == 0
    ]


def stamps(*values: int) -> list[int | None]:
    return [5 * 10**17 + value for value in values]


ALL = {n: n for n in range(N)}
GOOD = stamps(*range(N))
ZERO: list[int | None] = [0] * N
FROZEN = stamps(*[3] * N)
REPEATED = stamps(0, 1, 1, 1, 4, 5, 5, 7)


def found(images: list[Place], truths: list[Place]) -> Pairing:
    return pair(images, truths, WINDOW)


@pytest.mark.parametrize('delay_ns', [-3_000_000, 0, 20_000_000, 1_500_000_000])
@pytest.mark.parametrize(
    ('images', 'truths'),
    [(ZERO, ZERO), (FROZEN, FROZEN), (REPEATED, REPEATED), (ZERO, GOOD), (GOOD, ZERO),
     (FROZEN, ZERO)],
)  # fmt: skip
def test_as_many_truths_as_images_are_paired_in_order(
    images: list[int | None], truths: list[int | None], delay_ns: int
) -> None:
    """Also where the ground truth comes much later than its image."""
    pairing = found(places(images), places(truths, delay_ns))
    assert pairing.truth_of == ALL
    assert pairing.by_time and not pairing.is_by_stamp


@pytest.mark.parametrize('every', [2, 3])
@pytest.mark.parametrize('kind', [ZERO, FROZEN])
def test_sparse_truth_is_paired_with_the_nearest_image(kind: list[int | None], every: int) -> None:
    """The other images have none."""
    pairing = found(places(kind), places(kind, 4_000_000, every))
    assert pairing.truth_of == {n: n // every for n in range(0, N, every)}


def test_lost_images_do_not_shift_the_others() -> None:
    """As many of both are left, but not the same ones."""
    images, truths = places(ZERO), places(ZERO, 5_000_000)
    del images[2], truths[5]
    pairing = found(images, truths)
    assert pairing.truth_of == {0: 0, 1: 1, 2: 3, 3: 4, 5: 5, 6: 6}


def test_what_neither_stamp_nor_time_tells_stays_unpaired() -> None:
    """Ground truth halfway between two images, of uneven delay, and of another clock."""
    assert found(places(ZERO), places(ZERO, STEP // 2, 2)).truth_of == {}
    uneven = [
        Place(0, place.time_ns + (n * 37 % 10) * STEP // 10)
        for n, place in enumerate(places(ZERO))
    ]
    assert found(places(ZERO), uneven).truth_of == {}
    assert found(places(ZERO), places(ZERO, 10**12)).truth_of == {}


def test_sound_stamps_are_left_to_the_stamps() -> None:
    """Sparse ground truth, a played loop, and a stamp of zero at the start of simulated time."""
    for images, truths, pairs in (
        (places(GOOD), places(GOOD), ALL),
        (places(GOOD), places(GOOD, 700_000_000, 3), {0: 0, 3: 1, 6: 2}),
        (places([0, *GOOD[1:]]), places([0, *GOOD[1:]], every=3), {0: 0, 3: 1, 6: 2}),
        (places(stamps(0, 1, 2)), places(stamps(5, 6, 7)), {}),
    ):
        pairing = found(images, truths)
        assert pairing.truth_of == pairs
        assert pairing.is_by_stamp and not pairing.by_time
    later = [Place(place.stamp_ns, place.time_ns + 10**10) for place in places(GOOD)]
    pairing = found(places(GOOD) + later, places(GOOD, 9) + later)
    assert pairing.truth_of == {n: n for n in range(2 * N)}
    assert pairing.is_by_stamp


def test_a_truth_that_was_sent_twice_counts_once() -> None:
    """The same bytes under the same stamp."""
    once = places(GOOD)
    twice = [place for one in once for place in (one, one)]
    pairing = found(once, twice)
    assert pairing.truth_of == {n: 2 * n + 1 for n in range(N)}


def test_good_stamps_that_differ_are_never_paired() -> None:
    """Though the recording times agree: one frame of the driver had no stamp."""
    images = places([*GOOD[:4], 0, *GOOD[5:]])
    truths = places([*GOOD[:4], 0, *stamps(50, 60, 70)])
    assert found(images, truths).truth_of == {n: n for n in range(5)}


def test_messages_that_cannot_be_read_have_no_partner() -> None:
    """They count in the order of the others."""
    images = places([None, *ZERO[1:]])
    pairing = found(images, places(ZERO))
    assert pairing.truth_of == {n: n for n in range(1, N)}
