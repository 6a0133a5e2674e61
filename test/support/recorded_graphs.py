# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs on the CPU: operations are noted while a graph is recorded, and repeated later.

As on a GPU, a graph reads and writes the memory that it was recorded with, and graphs of one pool
share theirs: a replay spoils what the others wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class Graph(TorchDispatchMode):
    """Stands for torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.own: dict[int, torch.Tensor] = {}
        self.pool: list[Graph] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation and note it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        before = {address(one) for one in tensors((args, kwargs))}
        self.operations.append((func, args, kwargs, result))
        self.own |= {address(one): one for one in tensors(result) if address(one) not in before}
        return result

    def replay(self) -> None:
        """Do it again, into the same memory."""
        for other in self.pool:
            if other is not self:
                for tensor in other.own.values():
                    tensor.fill_(float('nan') if tensor.is_floating_point() else 77)
        for func, args, kwargs, result in self.operations:
            again = func(*args, **kwargs)
            for target, value in zip(tensors(result), tensors(again), strict=True):
                if address(target) != address(value):
                    target.copy_(value)


def tensors(tree: Any) -> list[torch.Tensor]:
    """Return the tensors in arguments or results."""
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, torch.Tensor)]


def address(tensor: torch.Tensor) -> int:
    """Return where a tensor's memory lies, whichever part of it the tensor is."""
    return tensor.untyped_storage().data_ptr()


class Stream:
    """Stands for torch.cuda.Stream."""

    def wait_stream(self, other: Any) -> None:
        """Everything is in order here."""

    def synchronize(self) -> None:
        """Everything is complete here."""


class Recorder:
    """What was recorded, how, and what was freed."""

    def __init__(self) -> None:
        self.recorded: list[dict[str, Any]] = []
        self.freed = 0
        self.is_recording = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    @contextmanager
    def graph(self, graph: Graph, **options: Any) -> Iterator[None]:
        """Stands for torch.cuda.graph."""
        self.recorded.append(options)
        self.is_recording.set()
        self.may_end.wait(10)
        try:
            with graph:
                yield
        finally:
            self.is_recording.clear()
        graph.pool = options['pool']
        graph.pool.append(graph)

    def empty_cache(self) -> None:
        """Stands for torch.cuda.empty_cache."""
        assert not self.is_recording.is_set(), 'torch refuses to free memory while it records'
        self.freed += 1


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Let torch.cuda record on the CPU."""
    found, usual = Recorder(), Stream()
    for name, stand_in in {
        'CUDAGraph': Graph,
        'Stream': Stream,
        'graph': found.graph,
        'graph_pool_handle': list,
        'empty_cache': found.empty_cache,
        'current_stream': lambda device=None: usual,
        'stream': lambda stream: nullcontext(),
        'device': lambda device: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return found
