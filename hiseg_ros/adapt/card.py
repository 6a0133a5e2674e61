# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The model card of adapted weights: in the file, and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiseg_ros.adapt.checks import Check
from hiseg_ros.plain_text import printable

ROWS = (
    ('stability', 'labels that stay when the image is mirrored, made smaller or darker'),
    ('over_time', 'labels that stay from frame to frame'),
    ('confidence', 'mean confidence'),
    ('unsure', 'pixels with a confidence below one half'),
    ('source', 'mIoU on the source'),
    ('kept', 'pixels, sure before, that keep their label'),
)
"""Figures of a `Check` with what they are, in the order of tables."""


def figure_rows(before: Check, after: Check) -> list[tuple[str, str, str]]:
    """Return (what, before, after) of each figure that there is, in percent."""
    rows = []
    for key, what in ROWS:
        old, new = getattr(before, key), getattr(after, key)
        if new is not None:
            rows.append((what, '' if old is None else _percent(old), _percent(new)))
    return rows


def adapted_card(
    old: Mapping[str, Any],
    run: Mapping[str, Any],
    facts: Mapping[str, Any],
    before: Check,
    after: Check,
) -> dict[str, Any]:
    """Return the card of adapted weights.

    Training sets and licences of the old weights stay, since the new ones are made of them; their
    scores do not, since nobody has measured the new ones there.

    Args:
        old: Card of the old weights.
        run: Card that the training run wrote.
        facts: Name, recordings, frames, steps, source of the adaptation.
        before: Figures of the old weights.
        after: Figures of the adapted weights.
    """
    sets = list(old.get('training_sets', []))
    known = {(one.get('name'), one.get('kind')) for one in sets if isinstance(one, Mapping)}
    # The run's own list has the source, with a folder of this machine among its options.
    sets += [
        {key: one[key] for key in ('name', 'kind', 'licence') if key in one}
        for one in run.get('training_sets', [])
        if (one.get('name'), one.get('kind')) not in known
    ]
    return {
        **{key: value for key, value in old.items() if key not in ('scores', 'training')},
        'name': facts['name'],
        'recipe': f'{old.get("recipe", "")} {run.get("recipe", "")}'.strip(),
        'training_sets': sets,
        'scores': {},
        'training': run.get('training', {}),
        'adaptation': {
            **{key: value for key, value in facts.items() if key != 'name'},
            'before': before.as_json(),
            'after': after.as_json(),
        },
    }


def card_page(card: Mapping[str, Any], objections: Sequence[str]) -> str:
    """Return the card as Markdown.

    Args:
        card: As `adapted_card` returns it.
        objections: Why the weights were refused; none where they were accepted.
    """
    facts = card['adaptation']
    before, after = Check.from_json(facts['before']), Check.from_json(facts['after'])
    lines = [
        f'# {card["name"]}',
        '',
        f'Weights adapted without labels, from `{facts["from"]}`, to: '
        f'{", ".join(f"`{one}`" for one in facts["recordings"])}.',
        '',
    ]
    if objections:
        lines += [
            '**Refused**: these weights are worse than those that they come from, which stay the '
            'ones to use.',
            '',
            *(f'- {one}' for one in objections),
            '',
        ]
    lines += [
        '| | |',
        '|---|---|',
        f'| recipe | {card["recipe"]} |',
        f'| frames learnt from / held back | {facts["learnt"]} / {facts["held_back"]} |',
        f'| steps | {facts["steps"]} |',
        f'| source | {facts["source"]}, {before.source_images} images measured |',
        '',
        '## Without labels of the target',
        '',
        '| | before | after |',
        '|---|---|---|',
        *(f'| {what} | {old} | {new} |' for what, old, new in figure_rows(before, after)),
        '',
        'None of these figures is the accuracy on the target: that takes labels, and '
        '`hiseg evaluate`.',
        '',
        '## Training sets and licences',
        '',
        '| set | licence |',
        '|---|---|',
        *(
            f'| {one.get("name")} ({one.get("kind")}) | {one.get("licence", "not stated")} |'
            for one in card['training_sets']
        ),
    ]
    return printable_lines(lines)


def printable_lines(lines: Sequence[str]) -> str:
    """Return lines as a text; names in them that come from elsewhere cannot steer a terminal."""
    return '\n'.join(printable(line) for line in lines) + '\n'


def _percent(share: float) -> str:
    return f'{100 * share:.1f} %'
