# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Time of building the messages of a frame, by kind; publishing them is not part of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiseg_ros.bags.builder import messages
from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.inference.engine import Engine
from hiseg_ros.regions import subclass_masks
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import RgbImage, Segmentation

ALPHA = 0.5
"""Share of colour in the overlay, the node's default."""

ONE_BY_ONE = ', one by one'
"""End of the name of a step that does what the step without it does for all levels at once."""

Again = list[Any]
"""The messages of a step in the round before, whose memory is used again, as in the node."""

Steps = Mapping[str, Callable[[Again], Again]]


@dataclass(frozen=True)
class Clocks:
    """Where times come from, in seconds."""

    elapsed: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time
    """Of all threads of the process; other programs on the same cores do not count."""


def message_times(
    engine: Engine, rgb: RgbImage, *, rounds: int, warm_up: int
) -> list[dict[str, Any]]:
    """Segment an image and build its messages again and again.

    Args:
        engine: Segments the image once.
        rgb: (H, W, 3) uint8.
        rounds: Rounds that are timed; each builds every kind of message.
        warm_up: Rounds before the timed ones.

    Returns:
        A row for each kind: 'messages', 'size' (H, W) of the image, 'count', 'megabytes', 'ms' and
        'cpu_ms' (`Spread`), and 'one_by_one', the CPU time of the same messages built one by one
        by that of building them together, the median over the rounds; None for single messages.
    """
    found = engine.segment(rgb)
    rows = timed(steps_of(found, rgb, engine.taxonomy), rounds, warm_up)
    size = [int(side) for side in rgb.shape[:2]]
    return [{'size': size, **row} for row in rows]


def steps_of(found: Segmentation, rgb: RgbImage, taxonomy: Taxonomy) -> Steps:
    """Return what builds each kind of message of a frame, by name."""
    header, labels, maps = messages.header(), found.labels, found.probabilities
    levels = range(1, taxonomy.depth + 1)
    tables = [taxonomy.node_id_at_level(level) for level in levels]
    nodes = [taxonomy.level_nodes(level) for level in levels]

    def last(again: Again, place: int = 0) -> Any:
        return again[place] if again else None

    def signs(again: Again) -> Again:
        masks = subclass_masks(found, taxonomy)
        return [messages.subclass_masks_message(header, masks, taxonomy, maps.image_size)]

    return {
        'labels': lambda again: [messages.labels_message(header, labels, last(again))],
        'confidence': lambda again: [
            messages.confidence_message(header, found.confidence, last(again))
        ],
        'level labels': lambda again: messages.level_labels_messages(
            header, labels, tables, again
        ),
        f'level labels{ONE_BY_ONE}': lambda again: [
            messages.level_labels_message(header, labels, table, last(again, place))
            for place, table in enumerate(tables)
        ],
        'overlay': lambda again: [
            messages.overlay_message(header, rgb, labels, taxonomy, ALPHA, last(again))
        ],
        'level probabilities': lambda again: messages.probability_map_messages(
            header, maps, nodes, taxonomy, again=again
        ),
        f'level probabilities{ONE_BY_ONE}': lambda again: [
            messages.probability_map_message(
                header, maps, node_ids, taxonomy, again=last(again, place)
            )
            for place, node_ids in enumerate(nodes)
        ],
        'traffic signs': signs,
    }


def timed(
    steps: Steps, rounds: int, warm_up: int, clocks: Clocks | None = None
) -> list[dict[str, Any]]:
    """Run the steps in turns, backwards in every second round, and return a row for each kind."""
    clocks = clocks or Clocks()
    elapsed: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    built: dict[str, Again] = {name: [] for name in steps}
    for number in range(warm_up + rounds):
        for name in list(steps)[:: -1 if number % 2 else 1]:
            began, began_cpu = clocks.elapsed(), clocks.cpu()
            built[name] = steps[name](built[name])
            if number >= warm_up:
                cpu[name].append(1e3 * (clocks.cpu() - began_cpu))
                elapsed[name].append(1e3 * (clocks.elapsed() - began))
    return [
        {
            'messages': name,
            'count': len(built[name]),
            'megabytes': round(
                sum(len(getattr(one, 'data', b'')) for one in built[name]) / 1e6, 2
            ),
            'ms': _spread(elapsed[name]),
            'cpu_ms': _spread(cpu[name]),
            'one_by_one': _ratio(cpu.get(name + ONE_BY_ONE), cpu[name]),
        }
        for name in steps
        if not name.endswith(ONE_BY_ONE)
    ]


def _spread(values: list[float]) -> dict[str, float] | None:
    spread = Spread.of(values)
    return vars(spread) if spread else None


def _ratio(alone: list[float] | None, together: list[float]) -> float | None:
    """Return the median of the ratios of the rounds, None where there is nothing to compare."""
    if alone is None or not all(together):
        return None
    return round(float(np.median(np.array(alone) / np.array(together))), 3)


def _bytes(message: Any) -> int:
    return len(getattr(message, 'data', b''))
