# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From the node's parameters to an engine whose taxonomy is the expected one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hiseg_ros.errors import ConfigError, TaxonomyError
from hiseg_ros.resources import default_model
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import RgbImage, Segmentation


class SegmentationEngine(Protocol):
    """What the node needs of `hiseg_ros.inference.engine.Engine`."""

    threshold: float

    @property
    def taxonomy(self) -> Taxonomy:
        """The label tree of the weights."""

    @property
    def device(self) -> str:
        """Name of the device the network runs on."""

    def segment(
        self, rgb: RgbImage, *, labels: bool = True, confidence: bool = True
    ) -> Segmentation:
        """Segment one picture; labels and confidence only where asked for."""

    def close(self) -> None:
        """Free the device."""


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that is ready, and what diagnostics tell about it."""

    engine: SegmentationEngine
    taxonomy: Taxonomy
    """Tree of the weights, with the colours of the taxonomy file where one is set."""

    facts: Mapping[str, str]


def load_engine(parameters: NodeParameters) -> LoadedEngine:
    """Load the weights onto the device.

    Raises:
        HisegError: Weights, device or taxonomy cannot be used, or torch is not installed.
    """
    expected = load_taxonomy(parameters.taxonomy) if parameters.taxonomy else None
    path = Path(parameters.model).expanduser() if parameters.model else default_model()
    try:
        # Imported late: torch takes seconds, and a node without weights need not wait for it.
        from hiseg_ros.inference.engine import Engine
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'Python has no module {error.name}, which the network needs; expected it in the '
            'environment the node runs in: see docs/robot.md for the installation.'
        ) from error
    engine = Engine(
        path,
        device=parameters.device,
        input_height=parameters.input_height,
        threshold=parameters.threshold,
    )
    if expected is not None and expected.digest != engine.taxonomy.digest:
        engine.close()
        raise TaxonomyError(
            f'The weights {path} have taxonomy {engine.taxonomy.name!r} with digest '
            f'{engine.taxonomy.digest[:12]}; expected {expected.name!r} with digest '
            f'{expected.digest[:12]} as parameter taxonomy asks: leave that parameter empty or '
            'choose weights trained on this taxonomy.'
        )
    taxonomy = expected or engine.taxonomy
    facts = {
        'model': str(path),
        'device': engine.device,
        'taxonomy': f'{taxonomy.name} {taxonomy.version}',
        'taxonomy digest': taxonomy.digest,
    }
    return LoadedEngine(engine, taxonomy, facts)
