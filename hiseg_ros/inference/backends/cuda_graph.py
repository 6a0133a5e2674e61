# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Steps recorded as CUDA graphs, which launch their kernels without Python.

torch.compile has a mode with CUDA graphs, but it compiles every kernel, and
torch.cuda.make_graphed_callables records one shape; here eager kernels are recorded once per
shape, in one memory pool.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import torch

from hiseg_ros.errors import DeviceError, reason_of
from hiseg_ros.inference.backends.last_used import LastUsed
from hiseg_ros.inference.backends.torch_step import Step, tuned_convolutions

MAX_GRAPHS = 8
"""Graphs that one step keeps: two input sizes with 1, 2, 4 and 8 images. They share their memory
except for inputs and results."""

WARM_UP_RUNS = 3
"""Runs before a graph is recorded, in which libraries choose kernels and reserve memory."""

EXAMPLE = (3, 3, 64, 96)
"""(N, 3, h, w) of the input that verifies a step; three images use a graph for four."""

TOLERANCE = {'float32': 0.02, 'float16': 0.05, 'bfloat16': 0.15}
"""By precision: largest sum of absolute differences to the reference over all probabilities of
the example, relative to their sum. In bfloat16, rounding alone makes 0.03 with the shipped
weights and 0.07 with untrained ones; another image's probabilities differ by 0.3."""

_RECORDING = threading.Lock()
"""CUDA records one graph at a time, and its memory must not be freed meanwhile. One thread may
load other weights while another one segments."""


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    source: torch.Tensor
    """Input that the graph reads."""
    result: torch.Tensor
    """Output that it writes."""


class GraphStep:
    """A step that is recorded once for each shape of its input.

    Batches are padded to 1, 2, 4, 8, ... images, so that few graphs are needed.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        """Create the step; it is recorded at the first input of each shape.

        Args:
            step: A function from a batch to a batch that never synchronises with the device.
            device: A CUDA device.
        """
        self._step = step
        self._device = device
        self._graphs: LastUsed[_Recorded] = LastUsed(MAX_GRAPHS)
        self._stream: Any = None
        self._pool: Any = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the step's result, in memory that the next call of any shape overwrites.

        Args:
            images: (N, ...), on the device or in pinned memory, which is read asynchronously in
                the order of the current stream.
        """
        count = len(images)
        shape = (full_batch(count), *images.shape[1:])
        recorded = self._graphs.get(shape, lambda: self._record(images, shape))
        with torch.cuda.device(self._device):
            recorded.source[:count].copy_(images, non_blocking=True)
            recorded.graph.replay()
        return recorded.result[:count]

    def _record(self, images: torch.Tensor, shape: tuple[int, ...]) -> _Recorded:
        """Return the step recorded for a shape, with dtype and memory format of the images."""
        source = torch.zeros(shape, dtype=images.dtype, device=self._device)
        if images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last):
            source = source.contiguous(memory_format=torch.channels_last)
        with _RECORDING, torch.cuda.device(self._device):
            if self._stream is None:
                # One per step: its graphs keep the workspace that cuBLAS has for the stream.
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            if not self._graphs:
                # torch frees a pool with its last graph. One pool serves all graphs: they run one
                # after the other, and a result is used before the next graph starts.
                self._pool = torch.cuda.graph_pool_handle()
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                with tuned_convolutions():
                    for _ in range(WARM_UP_RUNS):
                        self._step(source)
                graph = torch.cuda.CUDAGraph()
                # Another thread may use the device meanwhile, to load weights or to segment.
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
        """Drop the graphs; `empty_cache` then returns their memory to the device."""
        self._graphs.clear()


def full_batch(count: int) -> int:
    """Return the power of two to which a number of images is padded."""
    return 1 << (count - 1).bit_length()


def empty_cache() -> None:
    """Return memory that torch keeps for later to device and host."""
    with _RECORDING:
        torch.cuda.empty_cache()
        torch.accelerator.empty_host_cache()


def verify(step: GraphStep, reference: Step, device: torch.device, precision: str) -> None:
    """Compare a recorded step with its reference on a small example.

    Raises:
        DeviceError: The step cannot be recorded here, or its results differ.
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
    if not moved <= TOLERANCE[precision]:  # not `>`: NaN must not pass
        raise DeviceError(
            f'The network recorded as a CUDA graph differs from the reference by {moved:.1%} of '
            f'the probability on {device}; expected at most {TOLERANCE[precision]:.0%}: choose '
            "backend 'eager'."
        )
