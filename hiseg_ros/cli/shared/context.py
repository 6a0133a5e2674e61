# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options about objects that are removed, and the measurement that they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.datasets.counterfactuals import Remover
    from hiseg_ros.evaluation.context_run import ContextRun
    from hiseg_ros.evaluation.evaluate import PixelImage, Refine
    from hiseg_ros.taxonomy import Mapping


def add_context_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --context and its relatives."""
    parser.add_argument(
        '--context',
        action='store_true',
        help='also measure context dependence: objects are removed, one label after the other, '
        'and the labels of all other pixels compared; datasets with dense labels only',
    )
    parser.add_argument(
        '--remove',
        action='append',
        default=[],
        metavar='LABEL',
        help='with --context: remove the objects of this label only; may be given several times '
        '(default: every label of movable things)',
    )
    parser.add_argument(
        '--removal',
        choices=['redraw', 'inpaint'],
        help="with --context: 'redraw' (default for drawn scenes, which alone can be) or "
        "'inpaint' (default for all others)",
    )


@dataclass(frozen=True)
class ContextMeasurement:
    """A measurement beside the one of the whole images."""

    remover: Remover
    run: ContextRun
    names: Sequence[str]
    """Of the images of the dataset so far, in their order."""

    def add(self, one: PixelImage) -> None:
        """Measure the image that has just been segmented as a whole."""
        name, index = self.names[-1], len(self.names) - 1
        self.run.add(name, one, self.remover.removals(name, index, one.image, one.truth))

    def scores(self) -> dict[str, Any]:
        """Return the part of the scores on context."""
        how = 'inpaint' if self.remover.redraws is None else 'redraw'
        return {'context': {'removal': how, **self.run.scores.summary()}}


def check_context(options: argparse.Namespace, has_label_images: bool) -> None:
    """Check that the options go together.

    Raises:
        ConfigError: They do not.
    """
    for name in ('remove', 'removal'):
        if getattr(options, name) and not options.context:
            raise ConfigError(f'--{name} is given without --context; expected both or neither.')
    if options.context and not has_label_images:
        raise ConfigError(
            f'--context is given for {options.dataset}; expected it for datasets with label '
            'images only: leave --context out.'
        )


def context_of(
    options: argparse.Namespace,
    dataset: Any,
    engine: Any,
    mapping: Mapping,
    refine: Refine | None,
    names: Sequence[str],
) -> ContextMeasurement | None:
    """Return the measurement that the options ask for, or None.

    `names` gets the name of each image before it is measured.

    Raises:
        ConfigError: A label does not exist, or the dataset cannot be drawn again.
    """
    if not options.context:
        return None
    from hiseg_ros.datasets.counterfactuals import remover_of
    from hiseg_ros.evaluation.context import ContextScores
    from hiseg_ros.evaluation.context_run import EXAMPLES, ContextRun

    remover = remover_of(dataset, mapping, engine.taxonomy, options.remove, options.removal)
    scores = ContextScores(mapping, remover.labels)
    examples = EXAMPLES if options.report else 0
    return ContextMeasurement(
        remover, ContextRun(engine, mapping, scores, refine, examples), names
    )


def both(
    first: Callable[[PixelImage], object] | None, second: Callable[[PixelImage], object] | None
) -> Callable[[PixelImage], None] | None:
    """Return what calls both, None where there are none."""
    calls = [call for call in (first, second) if call is not None]
    if not calls:
        return None

    def call_all(one: PixelImage) -> None:
        for call in calls:
            call(one)

    return call_all
