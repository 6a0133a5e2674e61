# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images that workers segment ahead come back in their order; without Ray, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.errors import ConfigError, HisegError, ImageError
from hiseg_ros.fleet.ray_pool import Workers
from hiseg_ros.fleet.remote_segmenter import IMAGES_AHEAD, RemoteSegmenter
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import NodeProbabilities, Segmentation, Wanted

TAXONOMY = load_taxonomy('street')


class DeadError(Exception):
    """Stands for Ray's errors."""


class FakeRay:
    """Runs everything at once, in this process; a handle is a function."""

    exceptions = SimpleNamespace(RayError=DeadError)

    def __init__(self, cores: int = 2) -> None:
        self.cores = cores
        self.options: dict[str, Any] = {}
        self.begun = 0

    def cluster_resources(self) -> dict[str, float]:
        return {'CPU': float(self.cores)}

    def remote(self, kind: type) -> Any:
        def options(**given: Any) -> Any:
            self.options = given
            return SimpleNamespace(remote=lambda *arguments: self.actor(kind(*arguments)))

        return SimpleNamespace(options=options)

    def actor(self, inner: Any) -> Any:
        def method(name: str) -> Any:
            def begin(*arguments: Any) -> Any:
                self.begun += name == 'segment'
                return lambda: getattr(inner, name)(*arguments)

            return SimpleNamespace(remote=begin)

        return SimpleNamespace(about=method('about'), segment=method('segment'))

    def get(self, handle: Callable[[], Any]) -> Any:
        return handle()


class FakeEngine:
    """Labels of an image are its first value; refuses 255."""

    taxonomy, model_path, threshold = TAXONOMY, Path('/weights/a.onnx'), 0.25
    device, backend = 'cpu', 'openvino'

    def __init__(self, precision: str = 'float32') -> None:
        self.precision = precision

    def segment(self, rgb: np.ndarray, wanted: Wanted) -> Segmentation:
        if rgb[0, 0, 0] == 255:
            raise ImageError('too bright; expected less.')
        if rgb[0, 0, 0] == 254:
            raise DeadError('The actor died\nmore')
        labels = np.full(rgb.shape[:2], rgb[0, 0, 0], np.uint8)
        nothing = NodeProbabilities(np.empty((0, 0, 0), np.float32), (2, 2))
        return Segmentation(labels, labels if wanted.confidence else labels[:0], nothing)


def images(*values: int) -> list[np.ndarray]:
    return [np.full((2, 2, 3), value, np.uint8) for value in values]


def test_images_come_back_in_their_order() -> None:
    """No more are begun than the workers have room for, and another image between them waits."""
    ray = FakeRay()
    engine = RemoteSegmenter(ray, FakeEngine, Workers())
    assert engine.size == 2
    assert ray.options['num_cpus'] == 1 and ray.options['max_task_retries'] > 0
    assert (engine.taxonomy, engine.backend, engine.threshold) == (TAXONOMY, 'openvino', 0.25)
    other = images(77)[0]
    found = []
    for number, image in enumerate(engine.ahead(images(*range(9)), lambda one: one)):
        assert ray.begun <= number + IMAGES_AHEAD * 2 + (number > 4)
        found.append(int(engine.segment(image).labels[0, 0]))
        if number == 4:
            assert engine.segment(other).labels[0, 0] == 77
    assert found == list(range(9))
    assert ray.begun == 10
    assert engine.segment(other, Wanted(confidence=False)).confidence.size == 0


@pytest.mark.parametrize('count', [0, 2, 7])
def test_images_before_an_unreadable_one_come_back(count: int) -> None:
    """Fewer than are read ahead, and more."""
    engine = RemoteSegmenter(FakeRay(), FakeEngine, Workers())

    def read() -> Iterator[np.ndarray]:
        yield from images(*range(count))
        raise ImageError('bad.jpg is no image; expected one.')

    found = []
    with pytest.raises(ImageError, match=r'bad\.jpg'):
        for image in engine.ahead(read(), lambda one: one):
            found.append(int(engine.segment(image).labels[0, 0]))
    assert found == list(range(count))


def test_what_goes_wrong_at_a_worker_is_a_sentence_here() -> None:
    """An image that the engine refuses, and one over which workers die."""
    engine = RemoteSegmenter(FakeRay(), FakeEngine, Workers(1))
    with pytest.raises(HisegError, match='too bright; expected less'):
        engine.segment(images(255)[0])
    with pytest.raises(ImageError, match=r'died 4 times over one image \(The actor died\)'):
        engine.segment(images(254)[0])


def test_workers_that_differ_are_refused() -> None:
    """By what differs; and so are more workers than there is room for."""
    precisions = iter(('float32', 'bfloat16'))
    with pytest.raises(ConfigError, match='have another precision; expected the same'):
        RemoteSegmenter(FakeRay(), lambda: FakeEngine(next(precisions)), Workers())
    with pytest.raises(ConfigError, match='3 workers need 3 CPU'):
        RemoteSegmenter(FakeRay(), FakeEngine, Workers(3))
