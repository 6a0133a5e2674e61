# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The card and the page of an adaptation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.adapt.card import adapted_card, card_page, figure_rows
from hiseg_ros.adapt.checks import Answer, Check, HeldFrame
from hiseg_ros.adapt.page import PageContent, class_shares, shown, write_page
from hiseg_ros.taxonomy import load_taxonomy

BEFORE = Check(0.90, 0.95, 0.8, 0.1, 0.50, 16)
AFTER = Check(0.92, 0.96, 0.83, 0.08, 0.51, 16, kept=0.97)
OLD = {
    'name': 'street',
    'recipe': 'Once trained.',
    'training_sets': [{'name': 'camvid', 'kind': 'camvid', 'licence': 'CC BY-NC 4.0'}],
    'scores': {'val_miou': 0.68},
}
RUN = {
    'recipe': 'Adapted.',
    'training_sets': [
        {'name': 'camvid', 'kind': 'camvid', 'licence': 'other', 'options': {'root': '/home/x'}},
        {'name': 'recordings', 'kind': 'folder', 'licence': 'own', 'options': {'m': '/home/x'}},
    ],
    'training': {'hours': 0.5},
}
FACTS: dict[str, Any] = {
    'name': 'mine', 'from': 'street.safetensors', 'recordings': ['drive\x1b[31m'], 'learnt': 80,
    'held_back': 9, 'steps': 300, 'source': 'drawn scenes',
}  # fmt: skip


def test_licences_stay_and_scores_go() -> None:
    """Weights are made of what they come from; nobody has measured the new ones."""
    card = adapted_card(OLD, RUN, FACTS, BEFORE, AFTER)
    assert [one['licence'] for one in card['training_sets']] == ['CC BY-NC 4.0', 'own']
    assert card['scores'] == {} and card['name'] == 'mine'
    assert card['recipe'] == 'Once trained. Adapted.'
    assert '/home' not in str(card)
    assert card['adaptation']['after']['kept'] == 0.97


def test_the_page_of_the_card_says_what_was_measured() -> None:
    card = adapted_card(OLD, RUN, FACTS, BEFORE, AFTER)
    page = card_page(card, [])
    assert '| mIoU on the source | 50.0 % | 51.0 % |' in page
    assert '| camvid (camvid) | CC BY-NC 4.0 |' in page
    assert '\x1b' not in page, 'a name cannot steer a terminal'
    assert 'Refused' not in page
    assert '- it fell' in card_page(card, ['it fell'])
    rows = figure_rows(replace(BEFORE, over_time=None), replace(AFTER, over_time=None))
    assert [what for what, _, _ in rows if 'frame to frame' in what] == []
    assert rows[-1] == ('pixels, sure before, that keep their label', '', '97.0 %')


def test_the_images_that_changed_most_come_first() -> None:
    changed = [0.1, 0.5, 0.0, 0.4, 0.2, 0.3, 0.05, 0.6, 0.01, 0.02]
    assert shown(changed) == ([7, 1, 3, 5], [0, 4, 6, 9])
    assert shown([0.1, 0.2]) == ([1, 0], [])


@pytest.mark.parametrize('objections', [(), ('the source score fell',)])
def test_the_page_shows_each_image_before_and_after(
    tmp_path: Path, objections: tuple[str, ...]
) -> None:
    taxonomy = load_taxonomy('street')
    road, wall = taxonomy.node_id('Road'), taxonomy.node_id('Wall')
    rgb = np.full((60, 80, 3), 90, np.uint8)
    sure = np.full((60, 80), 255, np.uint8)
    old = Answer(np.full((60, 80), road, np.uint8), sure)
    half = old.labels.copy()
    half[30:] = wall
    content = PageContent(
        adapted_card(OLD, RUN, {**FACTS, 'recordings': ['<b>drive']}, BEFORE, AFTER),
        objections, BEFORE, AFTER,
        [HeldFrame(f'{n}.000 s', rgb) for n in range(2)], [old, old], [old, Answer(half, sure)],
        taxonomy,
    )  # fmt: skip
    assert class_shares(content) == [
        ('Road', '#804080', 1.0, 0.75),
        ('Wall', '#66669c', 0.0, 0.25),
    ]
    write_page(tmp_path / 'page.html', content)
    page = (tmp_path / 'page.html').read_text()
    assert page.count('data:image/jpeg') == 6
    assert 'after: 50.0 % of the labels changed' in page and '&lt;b&gt;drive' in page
    assert ('Refused' in page, 'Accepted' in page) == (bool(objections), not objections)
    assert 'Others, evenly spread' not in page, 'two images are both among the most changed'
