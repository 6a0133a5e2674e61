# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Times our network and one other, in turns, in a process that a bad file may end.

python -m hiseg_ros.benchmark.peer_run SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.benchmark.peer_networks import open_peer
from hiseg_ros.benchmark.spread import Spread
from hiseg_ros.errors import CheckpointError, HisegError, reason_of
from hiseg_ros.inference.open_model import open_backend, shipped_file
from hiseg_ros.interfaces import Backend, SparseBackend
from hiseg_ros.types import Wanted


@dataclass(frozen=True)
class PeerSettings:
    """Settings of the process."""

    images: str
    """A .npy file of (N, H, W, 3) uint8; the first is the input of both networks."""
    peer: str
    """The other network, an ONNX file."""
    model: str | None
    """Our network, an ONNX file; None for the shipped one."""
    backend: str
    precision: str
    warm_up: int
    """Rounds before the timed ones."""
    frames: int
    """Timed rounds: each network runs once in each."""
    input_height: int = 0
    """Shorter side of the input of both; 0 = the rule of our weights."""


def measure(settings: PeerSettings) -> dict[str, Any]:
    """Load both networks and run them in turns.

    Returns:
        'model', 'input_size' (h, w), 'outputs' (shapes of the other network), 'network_ms' and
        'ours_ms' (`Spread`), and 'ratio', 'ratio_low' and 'ratio_high': median, 10th and 90th
        percentile of its time by ours in the same round. 'is_ours' beside 'error': our own network
        does not run.
    """
    try:
        path = Path(settings.model or shipped_file(settings.backend, 'cpu', settings.precision))
        ours, _, _ = open_backend(
            path,
            backend=settings.backend,
            device='cpu',
            precision=settings.precision,
            input_height=settings.input_height,
        )
        images = ours.prepare(np.load(settings.images)[0])
        run_ours = partial(_node_probabilities, ours, images)
        run_ours()
    except HisegError as problem:
        return {'error': str(problem), 'is_ours': True}
    peer = open_peer(Path(settings.peer), settings.backend, settings.precision, images)
    try:
        outputs = [list(np.shape(values)) for values in peer.run(peer.values)]
        times = alternate(
            (run_ours, lambda: peer.run(peer.values)),
            settings.warm_up,
            settings.frames,
        )
    except HisegError:
        raise
    except Exception as problem:  # the runtimes' errors share no family
        raise CheckpointError(
            f'{settings.backend} cannot run it on {images.shape[1]}x{images.shape[2]} pixels '
            f'({reason_of(problem)}); expected a network for images of any size, or of this one: '
            'export it again.'
        ) from problem
    ratios = [peer_s / ours_s for ours_s, peer_s in times]
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return {
        'model': path.name,
        'input_size': [int(side) for side in images.shape[1:3]],
        'outputs': outputs,
        'network_ms': vars(_spread([peer_s for _, peer_s in times])),
        'ours_ms': vars(_spread([ours_s for ours_s, _ in times])),
        'ratio': round(float(middle), 4),
        'ratio_low': round(float(low), 4),
        'ratio_high': round(float(high), 4),
    }


def _node_probabilities(ours: Backend, images: Any) -> None:
    """Compute what labels and confidence depend on, as in the node without other subscribers."""
    if isinstance(ours, SparseBackend):
        ours.needed_probabilities(images, Wanted(probabilities=False))
    else:
        ours.node_probabilities(images)


def alternate(
    runs: tuple[Callable[[], object], Callable[[], object]],
    warm_up: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[tuple[float, float]]:
    """Call two functions in turns, the first of a round last in the next.

    So both meet the same load of the machine, and the caches that the other one left.

    Args:
        runs: The functions.
        warm_up: Rounds that are not counted.
        rounds: Rounds that are counted.
        clock: Returns seconds.

    Returns:
        For each counted round the seconds of each function.
    """
    found = []
    for number in range(warm_up + rounds):
        seconds = [0.0, 0.0]
        for place in (0, 1) if number % 2 == 0 else (1, 0):
            began = clock()
            runs[place]()
            seconds[place] = clock() - began
        if number >= warm_up:
            found.append((seconds[0], seconds[1]))
    return found


def _spread(seconds: list[float]) -> Spread:
    spread = Spread.of([1e3 * value for value in seconds])
    assert spread is not None
    return spread


def main(arguments: list[str]) -> int:
    """Measure, and write the row, or one with 'error'."""
    source, target = map(Path, arguments)
    try:
        row = measure(PeerSettings(**json.loads(source.read_text())))
    except HisegError as problem:
        row = {'error': str(problem)}
    target.write_text(json.dumps([row]))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
