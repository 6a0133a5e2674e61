# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Steps recorded as CUDA graphs: their kernels start without Python."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import torch

from hiseg_ros.errors import DeviceError, reason_of
from hiseg_ros.inference.backends.last_used import LastUsed
from hiseg_ros.inference.backends.torch_step import Step, tuned_convolutions

MAX_GRAPHS = 8
"""Kept by one step: two input sizes with 1, 2, 4 and 8 images. They share their memory but for
inputs and results."""

WARM_UP_RUNS = 3
"""Before a graph is recorded: libraries choose their kernels and reserve memory in these."""

EXAMPLE = (3, 3, 64, 96)
"""(N, 3, h, w) of the input that proves a step; three images go through a graph for four."""

TOLERANCE = {'float32': 0.02, 'float16': 0.05, 'bfloat16': 0.15}
"""By precision, of all probabilities of the example together: how much of them may lie elsewhere
than the reference puts it. In bfloat16 rounding alone moves 0.03 with the shipped weights and 0.07
with untrained ones; another image's probabilities are 0.3 away."""

_RECORDING = threading.Lock()
"""CUDA records one graph at a time, and meanwhile must not be asked to free its memory. Other
weights may be loaded by one thread while another segments."""


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    source: torch.Tensor
    """What the graph reads."""
    result: torch.Tensor
    """What it writes."""


class GraphStep:
    """A step recorded once for each shape of input.

    Batches are filled up to 1, 2, 4, 8, ... images, so that few graphs serve all of them.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        """Keep the step; it is recorded at the first input of each shape.

        Args:
            step: Any function of a batch that makes a batch; it must not wait for the device.
            device: A CUDA device.
        """
        self._step = step
        self._device = device
        self._graphs: LastUsed[_Recorded] = LastUsed(MAX_GRAPHS)
        self._stream: Any = None
        self._pool: Any = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the step's result, in memory that the next call of any shape writes over.

        Args:
            images: (N, ...), on the device or in pinned memory, which is read in the device's
                order of work.
        """
        count = len(images)
        shape = (full_batch(count), *images.shape[1:])
        recorded = self._graphs.get(shape, lambda: self._record(images, shape))
        with torch.cuda.device(self._device):
            recorded.source[:count].copy_(images, non_blocking=True)
            recorded.graph.replay()
        return recorded.result[:count]

    def _record(self, images: torch.Tensor, shape: tuple[int, ...]) -> _Recorded:
        """Return the step as a graph for inputs like these, of a shape."""
        source = torch.zeros(shape, dtype=images.dtype, device=self._device)
        if images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last):
            source = source.contiguous(memory_format=torch.channels_last)
        with _RECORDING, torch.cuda.device(self._device):
            if self._stream is None:
                # Of this step's own: its graphs keep the work space that cuBLAS has for a stream.
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            if not self._graphs:
                # Torch gives a pool up with the last of its graphs. One serves all of them: they
                # run one after the other, and a result is used up before the next begins.
                self._pool = torch.cuda.graph_pool_handle()
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                with tuned_convolutions():
                    for _ in range(WARM_UP_RUNS):
                        self._step(source)
                graph = torch.cuda.CUDAGraph()
                # Another thread may use the device meanwhile: it loads weights or segments.
                with torch.cuda.graph(
                    graph,
                    pool=self._pool,
                    stream=self._stream,
                    capture_error_mode='thread_local',
                ):
                    result = self._step(source)
            torch.cuda.current_stream().wait_stream(self._stream)
        return _Recorded(graph, source, result)

    def clear(self) -> None:
        """Forget the graphs; `empty_cache` then gives their memory back."""
        self._graphs.clear()


def full_batch(count: int) -> int:
    """Return the power of two that a number of images is filled up to."""
    return 1 << (count - 1).bit_length()


def empty_cache() -> None:
    """Give memory that torch keeps for later back to device and host."""
    with _RECORDING:
        torch.cuda.empty_cache()
        torch.accelerator.empty_host_cache()


def verify(step: GraphStep, reference: Step, device: torch.device, precision: str) -> None:
    """Run a small example through a recorded step and the one that it was made of.

    Raises:
        DeviceError: It cannot be recorded here, or computes something else.
        torch.OutOfMemoryError: The device has too little memory.
    """
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(EXAMPLE, generator=generator).to(
        device, memory_format=torch.channels_last
    )
    try:
        with torch.inference_mode():
            expected = reference(example)
            moved = float((step(example) - expected).abs().sum() / expected.sum())
    except torch.OutOfMemoryError:
        raise
    except Exception as problem:  # driver and libraries have errors of many kinds
        raise DeviceError(
            f'The network cannot be recorded as a CUDA graph on {device} '
            f'({reason_of(problem)}); expected a GPU and a driver that torch records on: '
            "choose backend 'eager'."
        ) from problem
    finally:
        step.clear()
    if not moved <= TOLERANCE[precision]:  # not `>`: what is no number must not pass
        raise DeviceError(
            f'The network recorded as a CUDA graph puts {moved:.1%} of the probability elsewhere '
            f'than the reference on {device}; expected at most {TOLERANCE[precision]:.0%}: choose '
            "backend 'eager'."
        )
