# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loading the engine that the node's parameters ask for, with the expected taxonomy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiseg_ros.errors import ConfigError, TaxonomyError
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.node.input_chooser import warm_up_sizes
from hiseg_ros.ros.parameters import NodeParameters, fixed_height
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import EVERYTHING, ImageSize, Wanted

LABELS_AND_SIGNS = Wanted(confidence=False, deepest=0, subclasses=True)
"""What most robots subscribe to: less than everything, and in part computed by other code."""


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that is ready to run."""

    engine: SegmentationEngine
    taxonomy: Taxonomy
    """Tree of the weights, with the colours of the taxonomy file where one is set."""

    facts: Mapping[str, str]
    """Model, device, backend, precision and taxonomy, as shown in diagnostics."""


def load_engine(parameters: NodeParameters) -> LoadedEngine:
    """Load the weights onto the device.

    Raises:
        HisegError: Weights, device or taxonomy cannot be used, or torch is not installed.
    """
    expected = load_taxonomy(parameters.taxonomy) if parameters.taxonomy else None
    try:
        # Imported late: torch takes seconds, and a node without weights need not wait for it.
        from hiseg_ros.inference.engine import Engine
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'Python has no module {error.name}, which the network needs; expected it in the '
            'environment the node runs in: see docs/robot.md for the installation.'
        ) from error
    engine = Engine(
        # The engine knows which of the shipped files fits device and backend.
        Path(parameters.model).expanduser() if parameters.model else None,
        device=parameters.device,
        input_height=fixed_height(parameters),
        threshold=parameters.threshold,
        backend=parameters.backend,
        precision=parameters.precision,
    )
    if expected is not None and expected.digest != engine.taxonomy.digest:
        engine.close()
        raise TaxonomyError(
            f'The weights {engine.model_path} have taxonomy {engine.taxonomy.name!r} with digest '
            f'{engine.taxonomy.digest[:12]}; expected {expected.name!r} with digest '
            f'{expected.digest[:12]} as parameter taxonomy asks: leave that parameter empty or '
            'choose weights trained on this taxonomy.'
        )
    taxonomy = expected or engine.taxonomy
    facts = {
        'model': str(engine.model_path),
        'device': engine.device,
        'backend': engine.backend,
        'precision': engine.precision,
        'taxonomy': f'{taxonomy.name} {taxonomy.version}',
        'taxonomy digest': taxonomy.digest,
    }
    return LoadedEngine(engine, taxonomy, facts)


def load_warmed_up(
    make_engine: Callable[[NodeParameters], LoadedEngine],
    parameters: NodeParameters,
    sizes: Iterable[ImageSize],
) -> LoadedEngine:
    """Load an engine and warm it up, so that it is known to work before the first frame.

    It segments black images of each size, and batches of all cameras where batches pay: backends
    that compile for an input size do so here, with input_height auto for each size that the node
    may choose.

    Args:
        make_engine: Makes the engine.
        parameters: Passed to it; the cameras decide how large batches may become.
        sizes: (H, W) of the images to come, in pixels.

    Raises:
        Exception: What making or running the engine raised; it is closed then.
    """
    loaded = make_engine(parameters)
    try:
        for index, size in enumerate(sizes):
            black = np.zeros((*size, 3), np.uint8)
            # Backends compile for the first sizes at once, for later ones at their second image.
            for _ in range(1 if index < 2 else 2):
                loaded.engine.segment(black)
            loaded.engine.segment(black, LABELS_AND_SIGNS)
            warm_up_sizes(loaded.engine, black, parameters)
            if loaded.engine.batch_pays:
                for count in range(2, len(parameters.cameras) + 1):
                    for _ in loaded.engine.segment_batch([black] * count, [EVERYTHING] * count):
                        pass
    except Exception:
        loaded.engine.close()
        raise
    return loaded
