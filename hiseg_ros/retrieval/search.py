# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Exact search of the nearest images, by the cosine of features around their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.retrieval.store import NO_TIME, Features


@dataclass(frozen=True)
class Match:
    """One image that was found."""

    source: int
    """Position of its source among those that are searched."""
    number: int
    """Position in the source."""
    name: str
    time_ns: int | None
    similarity: float
    """Cosine, in [-1, 1]."""


class Collection:
    """All images that are searched.

    The mean of all features is taken away before cosines are computed: streets share most of a
    feature, and without it every pair of images looks alike. A product of matrices compares a
    query with all images; 100,000 take a fraction of a second.
    """

    def __init__(self, sources: Sequence[Features]) -> None:
        """Join the features of the sources.

        Args:
            sources: At least one.
        """
        self.sources = tuple(sources)
        vectors = np.concatenate([source.vectors for source in sources])
        self._mean = vectors.mean(0)
        self._vectors = self._centred(vectors)
        self._source = np.repeat(np.arange(len(sources)), [len(source) for source in sources])
        self._first = np.cumsum([0, *(len(source) for source in sources)])
        self._numbers = np.concatenate([source.numbers for source in sources])
        self._times = np.concatenate([source.times_ns for source in sources])
        self._names = [name for source in sources for name in source.names]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._names)

    def nearest(
        self,
        query: NDArray[np.float32],
        count: int,
        apart_s: float = 0.0,
        without: tuple[Path, int] | None = None,
    ) -> list[Match]:
        """Return the most similar images, the most similar first.

        Args:
            query: (D,) feature.
            count: Number of images; fewer where there are no more.
            apart_s: Of a bag, an image nearer in time than this to a better one is left out.
            without: Place of the query itself, see `Features.place`.
        """
        similarities = self._vectors @ self._centred(query[None])[0]
        is_open = np.ones(len(similarities), bool)
        found: list[Match] = []
        # Stable: equal images come in the order of the sources.
        for place in np.argsort(-similarities, kind='stable').tolist():
            if len(found) == count:
                break
            if not is_open[place] or (without and self._place(place) == without):
                continue
            time_ns = int(self._times[place])
            found.append(
                Match(
                    int(self._source[place]),
                    int(self._numbers[place]),
                    self._names[place],
                    None if time_ns == NO_TIME else time_ns,
                    float(similarities[place]),
                )
            )
            if apart_s and time_ns != NO_TIME:
                near = np.abs(self._times - time_ns) < apart_s * 1e9
                is_open[near & (self._source == self._source[place])] = False
        return found

    def _place(self, place: int) -> tuple[Path, int]:
        source = int(self._source[place])
        return self.sources[source].place(place - int(self._first[source]))

    def _centred(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = vectors - self._mean
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = centred / np.maximum(lengths, 1e-12)
        return scaled
