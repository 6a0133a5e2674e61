# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options of the dense CRF that predict, evaluate and replay share."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.postprocessing.crf import DenseCrf
    from hiseg_ros.postprocessing.parameters import CrfParameters


def add_crf_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --crf and --crf-option."""
    parser.add_argument(
        '--crf',
        action='store_true',
        help='refine outlines with a dense CRF after the network, a second or more per image',
    )
    parser.add_argument(
        '--crf-option',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='parameter of --crf, may be repeated: classes, rounds, color_weight, position_std, '
        'color_std, smooth_weight, smooth_std, compatibility',
    )


def crf_parameters_of(options: argparse.Namespace) -> CrfParameters | None:
    """Return the parameters of the CRF that the options ask for, None for none.

    Raises:
        ConfigError: A parameter is wrong or given without --crf.
    """
    if not options.crf:
        if options.crf_option:
            raise ConfigError(
                f'--crf-option {options.crf_option[0]} is given without --crf; expected both.'
            )
        return None
    from hiseg_ros.postprocessing.parameters import CrfParameters

    return CrfParameters.of(options.crf_option)


def crf_of(options: argparse.Namespace, engine: Any) -> DenseCrf | None:
    """Return the CRF that the options ask for, None for none.

    Args:
        options: With those of `add_crf_arguments`.
        engine: Its network; an `Engine`, or a `ClassicalEngine`.

    Raises:
        ConfigError: A parameter is wrong or given without --crf, the network is a wrapped flat one
            with labels above the leaves, or the file of a classical method has a CRF of its own.
    """
    parameters = crf_parameters_of(options)
    if parameters is None:
        return None
    return crf_for(engine, parameters)


def crf_for(engine: Any, parameters: CrfParameters) -> DenseCrf:
    """Return a CRF on the leaves of a network, or on the labels of a classical method.

    Raises:
        ConfigError: The network is a wrapped flat one with labels above the leaves, or the file of
            a classical method has a CRF of its own.
    """
    from hiseg_ros.classical.crf import LabelCrf
    from hiseg_ros.classical.engine import ClassicalEngine
    from hiseg_ros.postprocessing.crf import crf_of_network

    if not isinstance(engine, ClassicalEngine):
        return crf_of_network(engine, parameters)
    if engine.has_crf:
        raise ConfigError(
            f'{engine.model_path.name} has a CRF of its own as its last step; expected a method '
            'without one with --crf: leave --crf out.'
        )
    return LabelCrf(engine.labels, parameters)


def crf_facts(crf: DenseCrf | None) -> dict[str, Any]:
    """Return the entry of a run's facts, none without a CRF."""
    return {} if crf is None else {'crf': asdict(crf.parameters)}
