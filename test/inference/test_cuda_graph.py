# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recorded steps have the results of the steps, on the CPU with fakes of CUDA graphs."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded_graphs import Recorder, recorder

from hiseg_ros.errors import DeviceError
from hiseg_ros.inference import weights
from hiseg_ros.inference.backends import cuda_graph
from hiseg_ros.inference.backends.cuda_graph import GraphStep, empty_cache, full_batch, verify
from hiseg_ros.inference.backends.fast_network import fast_network
from hiseg_ros.inference.backends.staging import Staging
from hiseg_ros.inference.backends.torch_network import TorchBackend
from hiseg_ros.inference.backends.torch_step import eager_step
from hiseg_ros.inference.engine import Engine
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.types import EVERYTHING

__all__ = ['recorder']

CPU = torch.device('cpu')


def plus_one(images: torch.Tensor) -> torch.Tensor:
    """Return a step's result with an intermediate one before it."""
    return (images * 2.0 + 2.0) / 2.0


@pytest.fixture
def recorded_engine(tiny_checkpoint: Path, recorder: Recorder) -> Engine:
    """Return an engine whose network and preprocessing are recorded."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    step = GraphStep(eager_step(fast_network(checkpoint.build()), 'float32'), CPU)
    backend = TorchBackend(
        'cuda_graph',
        step,
        checkpoint.preprocessing,
        device=CPU,
        precision='float32',
        input_height=0,
    )
    backend._staging = Staging(CPU)
    engine = Engine(tiny_checkpoint, device='cpu', backend='eager')
    engine._backend = backend
    return engine


def test_recorded_images_and_batches_get_the_labels_of_the_reference(
    recorded_engine: Engine, tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """Camera sizes alternate; three images of two sizes but one input size share a batch.

    Whatever a replay may write over is spoiled, so nobody reads a result too late.
    """
    eager = Engine(tiny_checkpoint, device='cpu', backend='eager')
    images = [
        street_image,
        street_image[:64, :64],
        255 - street_image[:-3],
        street_image[:, ::-1],
    ]
    expected = [eager.segment(image) for image in images]
    for _ in range(2):
        together = dict(recorded_engine.segment_batch(images, [EVERYTHING] * len(images)))
        for number, image in enumerate(images):
            for found in (together[number], recorded_engine.segment(image)):
                np.testing.assert_allclose(
                    found.probabilities.values, expected[number].probabilities.values, atol=1e-3
                )
                assert (found.labels == expected[number].labels).mean() > 0.999


def test_graphs_are_recorded_beside_other_threads_in_one_pool(
    recorder: Recorder,
) -> None:
    """In a stream of the step's own; torch's own belongs to the device that came first."""
    step = GraphStep(plus_one, CPU)
    for count in (1, 2):
        step(torch.zeros(count, 2))
    first, second = recorder.recorded
    assert first['capture_error_mode'] == 'thread_local'
    assert first['stream'] is second['stream'] is not None
    assert first['pool'] is second['pool'] is not None


def test_batches_are_filled_up_so_that_few_graphs_serve_all(recorder: Recorder) -> None:
    """Results have as many images as were given, whatever the place of the others holds."""
    assert [full_batch(count) for count in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 16]
    step = GraphStep(plus_one, CPU)
    for count in (4, 3, 2, 1, 3, 4):
        images = torch.rand(count, 3, 5)
        torch.testing.assert_close(step(images), images + 1)
    assert len(recorder.recorded) == 3


def test_the_graph_that_was_not_used_for_longest_is_forgotten(recorder: Recorder) -> None:
    """And recorded again when its shape comes back."""
    step = GraphStep(plus_one, CPU)
    for width in (*range(1, cuda_graph.MAX_GRAPHS + 1), 1, cuda_graph.MAX_GRAPHS + 1):
        step(torch.zeros(1, width))
    assert len(step._graphs) == cuda_graph.MAX_GRAPHS
    assert (1, 1) in step._graphs
    assert (1, 2) not in step._graphs


def test_forgotten_graphs_leave_their_pool(recorder: Recorder) -> None:
    """Torch frees a pool with the last of its graphs and does not take it up again.

    Also that of a graph that could not be recorded.
    """

    def fail_once(images: torch.Tensor) -> torch.Tensor:
        if recorder.is_recording.is_set() and len(recorder.recorded) == 1:
            raise RuntimeError('no memory')
        return images + 1

    step = GraphStep(fail_once, CPU)
    with pytest.raises(RuntimeError, match='no memory'):
        step(torch.zeros(1, 2))
    step(torch.zeros(1, 2))
    step.clear()
    assert not step._graphs
    step(torch.zeros(1, 2))
    first, second, third = (id(options['pool']) for options in recorder.recorded)
    assert len({first, second, third}) == 3
    step(torch.zeros(1, 3))
    assert id(recorder.recorded[3]['pool']) == third


def test_a_change_of_resolution_and_closing_forget_the_graphs(
    recorded_engine: Engine, recorder: Recorder, street_image: np.ndarray
) -> None:
    """Those of the other size would keep the memory that is short."""
    backend = recorded_engine._backend
    assert isinstance(backend, TorchBackend)
    usual = recorded_engine.segment(street_image).probabilities.values.shape
    assert all(step._graphs for step in backend._graphs)
    for is_reduced in (True, True, False):
        recorded_engine.reduce(is_reduced)
        found = recorded_engine.segment(street_image)
        assert (found.probabilities.values.shape == usual) != is_reduced
        assert found.labels.shape == street_image.shape[:2]
    assert len(recorder.recorded) == 6, 'told twice to stay reduced, nothing is recorded anew'
    steps = backend._graphs
    recorded_engine.close()
    recorded_engine.close()
    assert not any(step._graphs for step in steps)
    assert backend._staging is not None and not backend._staging._pieces


def test_memory_is_not_freed_while_another_thread_records(recorder: Recorder) -> None:
    """Torch would refuse; an engine that is closed meanwhile waits for a moment."""
    recorder.may_end.clear()
    recording = threading.Thread(target=lambda: GraphStep(plus_one, CPU)(torch.zeros(1, 2)))
    recording.start()
    assert recorder.is_recording.wait(10)
    freeing = threading.Thread(target=empty_cache)
    freeing.start()
    freeing.join(0.05)
    assert freeing.is_alive() and recorder.freed == 0
    recorder.may_end.set()
    freeing.join(10)
    recording.join(10)
    assert recorder.freed == 1


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_a_network_is_recorded_folded_and_proven(
    precision: str, tiny_checkpoint: Path, recorder: Recorder
) -> None:
    """From weights to a step, with the eager network as its judge."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    images = torch.randn(3, 3, 64, 96)
    with torch.inference_mode():
        expected = eager_step(checkpoint.build(), precision)(images)
    name, step = weights._choose_step(checkpoint.build(), 'cuda_graph', CPU, precision)
    assert name == 'cuda_graph'
    assert len(recorder.recorded) == 1
    with torch.inference_mode():
        found = step(images)
    assert found.shape == expected.shape
    moved = float((found - expected).abs().sum() / expected.sum())
    assert moved <= cuda_graph.TOLERANCE[precision]


def shares(images: torch.Tensor) -> torch.Tensor:
    """Return numbers that stand for probabilities."""
    return images.sigmoid()


def test_a_recorded_step_that_computes_the_same_is_proven(recorder: Recorder) -> None:
    """And its small graph is forgotten."""
    step = GraphStep(shares, CPU)
    verify(step, shares, CPU, 'float32')
    assert len(recorder.recorded) == 1
    assert not step._graphs


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        (lambda images: torch.zeros_like(images), r'from the reference by 100.0% .*at most 2%'),
        (lambda images: images.sigmoid().flip(0), r'from the reference by [1-9]'),
        (lambda images: images.sigmoid() * float('nan'), 'from the reference by nan'),
        (lambda images: images @ images, 'cannot be recorded as a CUDA graph on cpu'),
    ],
    ids=['nothing', 'other images', 'no numbers', 'an error'],
)
def test_a_recorded_step_that_computes_something_else_is_refused(
    recorder: Recorder, wrong: cuda_graph.Step, words: str
) -> None:
    """In one sentence."""
    with pytest.raises(DeviceError, match=words):
        verify(GraphStep(wrong, CPU), shares, CPU, 'float32')


def test_short_memory_stays_short_memory(recorder: Recorder) -> None:
    """The engine knows a remedy for it."""

    def full(images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError('CUDA out of memory.')

    with pytest.raises(torch.OutOfMemoryError):
        verify(GraphStep(full, CPU), shares, CPU, 'float32')


def test_cudnn_chooses_kernels_while_a_graph_is_prepared_and_not_later(
    recorder: Recorder,
) -> None:
    """Other networks of the process keep their setting."""
    seen = []

    def step(images: torch.Tensor) -> torch.Tensor:
        seen.append(torch.backends.cudnn.benchmark)
        return images + 1

    GraphStep(step, CPU)(torch.zeros(1, 2))
    assert seen == [True] * cuda_graph.WARM_UP_RUNS + [False]
    assert not torch.backends.cudnn.benchmark
