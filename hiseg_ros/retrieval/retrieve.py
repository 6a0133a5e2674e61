# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From query, sources and a network to nearest images and the distance of the two domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.errors import ConfigError
from hiseg_ros.retrieval.domains import LEAST, DomainDistance, compare
from hiseg_ros.retrieval.search import Collection, Match
from hiseg_ros.retrieval.sources import Source
from hiseg_ros.retrieval.store import NO_TIME, Computes, Features, features_of


@dataclass(frozen=True)
class Request:
    """What is searched, and how."""

    query: Source
    sources: Sequence[Source]
    count: int = 10
    """Images to find for each query."""
    queries: int = 4
    """Images of the query that are searched for, evenly spread."""
    every: int = 1
    """Take every so many images of the sources."""
    apart_s: float = 2.0
    """Least seconds between two images that are found in one bag."""


@dataclass(frozen=True)
class Found:
    """A query and its nearest images, the most similar first."""

    number: int
    name: str
    time_ns: int | None
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Result:
    """What one network finds."""

    model: str
    found: tuple[Found, ...]
    images: int
    """Images that were searched."""
    damaged: int
    """Images that could not be decoded, of the query and the sources."""
    distance: DomainDistance | None
    """Between the images of the query and those of the other sources, where both are enough."""
    no_distance: str = ''
    """Why there is no distance."""

    def as_json(self, request: Request) -> dict[str, Any]:
        """Return the result as plain values."""
        distance = self.distance
        return {
            'model': self.model,
            'images': self.images,
            'damaged': self.damaged,
            'domains': None
            if distance is None
            else {
                'mixing': round(distance.mixing, 4),
                'neighbours': distance.neighbours,
                'proxy_a_distance': round(distance.a_distance, 4),
                'images': list(distance.images),
            },
            **({'no_domains': self.no_distance} if self.no_distance else {}),
            'queries': [
                {
                    'image': found.name,
                    'number': found.number,
                    'nearest': [
                        {
                            'source': str(request.sources[match.source].path),
                            'image': match.name,
                            'number': match.number,
                            'stamp_ns': match.time_ns,
                            'similarity': round(match.similarity, 4),
                        }
                        for match in found.matches
                    ],
                }
                for found in self.found
            ],
        }


def retrieve(
    request: Request,
    network: Computes,
    model: str,
    folder: Path,
    on_frame: Callable[[], object] = lambda: None,
) -> Result:
    """Search the sources for the images that are nearest to those of the query.

    Args:
        request: What is searched.
        network: Computes features.
        model: Its name.
        folder: Where features are kept.
        on_frame: Called for each image that is looked at.

    Raises:
        BagError: A bag is damaged.
        ConfigError: Features cannot be written, no image can be decoded, or nothing but the query
            itself is searched.
    """
    searched = [
        features_of(source, network, folder, request.every, on_frame) for source in request.sources
    ]
    query = features_of(request.query, network, folder, 1, on_frame)
    collection = Collection(searched)
    found = tuple(
        _nearest(collection, query, place, request)
        for place in _spread(len(query), request.queries)
    )
    if not any(one.matches for one in found):
        raise ConfigError(
            f'{request.query.path} is the only image that is searched; expected others: name more '
            'with --in.'
        )
    distance, reason = _distance(query, searched)
    damaged = query.damaged + sum(source.damaged for source in searched)
    return Result(model, found, len(collection), damaged, distance, reason)


def _spread(length: int, count: int) -> list[int]:
    count = min(length, count)
    return [place * length // count for place in range(count)]


def _nearest(collection: Collection, query: Features, place: int, request: Request) -> Found:
    number, time_ns = int(query.numbers[place]), int(query.times_ns[place])
    matches = collection.nearest(
        query.vectors[place], request.count, request.apart_s, query.place(place)
    )
    return Found(
        number, query.names[place], None if time_ns == NO_TIME else time_ns, tuple(matches)
    )


def _distance(query: Features, searched: Sequence[Features]) -> tuple[DomainDistance | None, str]:
    others = [source for source in searched if source.path.resolve() != query.path.resolve()]
    if not others:
        return None, 'nothing but the query is searched: one domain'
    count = sum(map(len, others))
    if min(len(query), count) < LEAST:
        return None, f'{len(query)} and {count} images; domains need at least {LEAST} each'
    return compare(query.vectors, np.concatenate([one.vectors for one in others])), ''
