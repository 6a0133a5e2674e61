# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Several images at once: same results as one by one, grouped by input size, in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.errors import ImageError
from hiseg_ros.inference.batch import BatchBackend
from hiseg_ros.inference.engine import Engine
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted


@pytest.fixture
def images(street_image: RgbImage) -> list[RgbImage]:
    """Return images of two sizes, three of which share one network input size."""
    height, width = street_image.shape[:2]
    return [
        street_image,
        np.ascontiguousarray(street_image[: height // 2, : width // 2]),
        street_image[:, ::-1],
        255 - street_image[:-3],
    ]


def same(one: Segmentation, other: Segmentation) -> bool:
    """Return whether nearly all pixels have one label: a batch sums up in another order."""
    return one.labels.shape == other.labels.shape and (
        float((one.labels == other.labels).mean()) > 0.999
        and np.allclose(one.probabilities.values, other.probabilities.values, atol=1e-4)
    )


def test_a_batch_gives_what_its_images_give_one_by_one(
    tiny_checkpoint: Path, images: list[RgbImage]
) -> None:
    engine = Engine(tiny_checkpoint, device='cpu')
    found = dict(engine.segment_batch(images, [EVERYTHING] * len(images)))
    assert sorted(found) == list(range(len(images)))
    for number, image in enumerate(images):
        assert same(found[number], engine.segment(image)), number
        assert set(found[number].timings_ms) == {'preprocess', 'network', 'decision'}


def test_images_of_one_input_size_run_together_and_each_gets_what_it_wants(
    tiny_checkpoint: Path, images: list[RgbImage]
) -> None:
    engine = Engine(tiny_checkpoint, device='cpu')
    backend: Any = engine._backend
    assert isinstance(backend, BatchBackend)
    sizes: list[int] = []
    run = backend._run

    def spy(images: Any) -> Any:
        sizes.append(len(images))
        return run(images)

    backend._run = spy
    results = list(
        engine.segment_batch(
            images,
            [
                Wanted(confidence=False),
                Wanted(),
                Wanted(labels=False, confidence=False),
                Wanted(confidence=False, probabilities=False),
            ],
        )
    )
    assert sizes == [3, 1]
    assert [number for number, _ in results] == [0, 2, 3, 1], 'a size comes out as it is done'
    found = dict(results)
    assert found[2].labels.size == found[2].confidence.size == found[0].confidence.size == 0
    assert found[0].labels.shape == images[0].shape[:2]
    assert found[1].confidence.shape == images[1].shape[:2]
    assert found[3].probabilities.values.size == 0
    assert found[3].probabilities.image_size == images[3].shape[:2]
    assert found[2].probabilities.values.shape[0] == len(engine.taxonomy)


class OneByOne:
    """A backend without batches around one that has them."""

    def __init__(self, inner: Any) -> None:
        self.input_size, self.prepare = inner.input_size, inner.prepare
        self.node_probabilities, self.close = inner.node_probabilities, inner.close
        self.name, self.device, self.precision = inner.name, inner.device, inner.precision


def test_a_back_end_without_batches_takes_the_images_one_by_one(
    tiny_checkpoint: Path, images: list[RgbImage]
) -> None:
    engine = Engine(tiny_checkpoint, device='cpu')
    expected = [engine.segment(image) for image in images]
    engine._backend = OneByOne(engine._backend)  # type: ignore[assignment]
    assert not engine.batch_pays
    for number, found in engine.segment_batch(images, [EVERYTHING] * len(images)):
        np.testing.assert_array_equal(found.labels, expected[number].labels)


def test_a_batch_pays_on_no_cpu(tiny_checkpoint: Path) -> None:
    assert not Engine(tiny_checkpoint, device='cpu').batch_pays


def test_an_image_that_cannot_be_segmented_is_an_error_before_any_work(
    tiny_checkpoint: Path, images: list[RgbImage]
) -> None:
    engine = Engine(tiny_checkpoint, device='cpu')
    with pytest.raises(ImageError, match='expected'):
        engine.segment_batch([images[0], images[1][..., :2]], [EVERYTHING] * 2)
