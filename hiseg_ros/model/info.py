# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The info block: what a weights file says about itself, read and written without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from hiseg_ros.decision.plane_walk import WalkNode, check_walk
from hiseg_ros.errors import CheckpointError, ConfigError, TaxonomyError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy, dump_taxonomy
from hiseg_ros.taxonomy.schema import parse_taxonomy

INFO_KEY = 'hiseg_ros'
"""Name of the block among a file's metadata, whatever the kind of file."""

FORMAT = 1

QUANTIZATION = 'quantization'
"""Entry of a card: how a file was quantized to int8, and what it was measured to lose by that."""


@dataclass(frozen=True)
class ModelInfo:
    """What a weights file or an exported network says about itself."""

    network: NetworkConfig | None
    """None for a flat network of another project, whose parts are not known, and for a classical
    method."""
    preprocessing: Preprocessing
    taxonomy: Taxonomy
    card: Mapping[str, Any]
    """Name, recipe, training sets with licences, scores: what a model card says."""
    walk: tuple[WalkNode, ...] = ()
    """Of a flat network: where a decision may go; empty where it may go to every node."""
    classical: Mapping[str, Any] = field(default_factory=dict)
    """Of a classical method: its name, options and labels, see hiseg_ros.classical.model_file;
    empty for a network."""

    @property
    def is_quantized(self) -> bool:
        """Whether the file's convolutions compute in int8."""
        return QUANTIZATION in self.card


def check_is_network(info: ModelInfo, path: Path) -> None:
    """Check that a file holds a network.

    Raises:
        CheckpointError: It holds a classical method.
    """
    if info.classical:
        raise CheckpointError(
            f'{path} holds the classical method {info.classical.get("method")!r}, a slow '
            'baseline; expected a network: classical methods run in `hiseg predict` and '
            '`hiseg evaluate` only.'
        )


def dump_info(info: ModelInfo) -> str:
    """Return the block as JSON; the card must be serialisable."""
    walk = {'walk': [astuple(entry) for entry in info.walk]} if info.walk else {}
    classical = {'classical': dict(info.classical)} if info.classical else {}
    return json.dumps(
        {
            'format': FORMAT,
            'network': info.network.values() if info.network else None,
            'preprocessing': asdict(info.preprocessing),
            'taxonomy': dump_taxonomy(info.taxonomy),
            'taxonomy_digest': info.taxonomy.digest,
            'card': dict(info.card),
            **walk,
            **classical,
        }
    )


def parse_info(text: str, path: Path) -> ModelInfo:
    """Read the block of the file at `path`.

    Raises:
        CheckpointError: It is damaged, altered, or of a newer format.
    """
    try:
        info = json.loads(text)
        if info['format'] != FORMAT:
            raise CheckpointError(
                f'{path} has format {info["format"]}; expected {FORMAT}: update hiseg_ros.'
            )
        taxonomy = parse_taxonomy(info['taxonomy'], f'The taxonomy in {path}')
        network = NetworkConfig(**info['network']) if info['network'] is not None else None
        walk = tuple(WalkNode(*entry) for entry in info.get('walk', ()))
        check_walk(walk, taxonomy)
        preprocessing_values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in info['preprocessing'].items()
        }
        preprocessing = Preprocessing(**preprocessing_values)
        stated_digest, card = info['taxonomy_digest'], info['card']
        if not isinstance(card, dict):
            raise TypeError(f'card is {card!r}; expected keys and values')
        classical = info.get('classical', {})
        if not isinstance(classical, dict):
            raise TypeError(f'classical is {classical!r}; expected keys and values')
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        ConfigError,
        TaxonomyError,
    ) as problem:
        raise CheckpointError(
            f'The info block of {path} cannot be used ({type(problem).__name__}: {problem}); '
            'expected one written by `hiseg train`.'
        ) from problem
    if stated_digest != taxonomy.digest:
        raise CheckpointError(
            f'{path} says its taxonomy has the digest {str(stated_digest)[:12]}, but the tree in '
            f'it has {taxonomy.digest[:12]}; expected them equal: the file was altered.'
        )
    return ModelInfo(network, preprocessing, taxonomy, card, walk, classical)
