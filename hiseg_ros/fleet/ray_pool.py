# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Workers on a Ray cluster, or on this machine's cores."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError, HisegError, reason_of
from hiseg_ros.fleet.driver import Ended, Step
from hiseg_ros.fleet.worker import FleetWorker, sentence_of
from hiseg_ros.replay.order import ReplayOrder

LOCAL = 'local'
"""In place of an address: Ray on this machine."""

_ANSWER_S = 5.0
_START_S = 900.0
"""Longest time until a worker has loaded its network: the machine may have to be started."""
_STARTS = 3
"""So many workers in all may die while they load their network before that is taken for a lack of
packages or memory."""
_DEAD = 'A worker died while it loaded its network'
_ENVIRONMENT = {'RAY_USAGE_STATS_ENABLED': '0', 'RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO': '1'}
"""No statistics are sent; workers that reserve no GPU do not see any, and take the CPU."""
_PATIENCE = {'RAY_worker_register_timeout_seconds': '300'}
"""How long a local Ray waits for its workers, whose imports take long on a busy machine."""
_LOOPBACK = 'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER'
"""Ray's variable for systems on which it stays on the machine: 0 binds all its processes to the
loopback interface, on Linux too. Without it they listen on every interface, whatever address the
node is given."""
_STORE_BYTES = 128 * 2**20
"""Object store of a local Ray: results do not pass through it."""


@dataclass(frozen=True)
class Workers:
    """How many workers there are and what each reserves."""

    count: int = 0
    """Number of workers; 0 for as many as the resources of the cluster allow."""
    cpus: float = 1.0
    gpus: float = 0.0


class RemoteWorker:
    """Runs in a process of Ray; errors come back as sentences."""

    def __init__(self, order: ReplayOrder, output: str, task_frames: int, threads: int) -> None:
        """Keep what the network is loaded with at the first step."""
        os.environ.setdefault('OMP_NUM_THREADS', str(threads))
        self._how = (order, Path(output), task_frames)
        self._worker: FleetWorker | None = None

    def call(self, method: str, arguments: tuple[Any, ...]) -> tuple[Any, str]:
        """Return (value, '') of a step, or (None, sentence)."""
        try:
            if self._worker is None:
                self._worker = FleetWorker(*self._how)
            return getattr(self._worker, method)(*arguments), ''
        except (HisegError, OSError) as error:
            return None, sentence_of(error)
        except MemoryError as error:
            return None, f'out of memory ({reason_of(error)}); expected fewer workers.'


def connect(address: str) -> Any:
    """Connect to a cluster, or start Ray on this machine; return the module.

    A local Ray listens on the loopback interface, has no dashboard, and sends no statistics.

    Raises:
        ConfigError: Ray is not installed, the address does not answer, or versions differ.
    """
    os.environ.update(_ENVIRONMENT)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    if address == LOCAL:
        os.environ[_LOOPBACK] = '0'  # read when Ray is imported, and by its processes
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'--ray was given, and Python has no module {error.name}; expected the extra "fleet": '
            'pip install "hiseg_ros[fleet]".'
        ) from error
    quiet: dict[str, Any] = {'logging_level': logging.ERROR, 'log_to_driver': False}
    try:
        if address == LOCAL:
            _start_local(ray, quiet)
        else:
            _check_answer(address)
            ray.init(address=address, **quiet)
    except HisegError:
        raise
    except Exception as error:  # noqa: BLE001  Ray raises errors of many libraries
        if address == LOCAL:
            raise ConfigError(
                f'Ray did not start on this machine ({reason_of(error)}); expected free memory '
                'and a core that is not taken for half a minute: try again, or use --each.'
            ) from error
        raise ConfigError(
            f'Ray cannot be reached at {address} ({reason_of(error)}); expected a running cluster '
            'of the same Ray and Python, or --ray without an address for this machine.'
        ) from error
    return ray


def _start_local(ray: Any, quiet: dict[str, Any]) -> None:
    """Start Ray on this machine; twice, since it gives up after half a minute on a busy one.

    Raises:
        Exception: Ray did not start.
    """
    os.environ.pop('RAY_ADDRESS', None)  # it would make this a cluster
    for is_last in (False, True):
        try:
            ray.init(
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **quiet,
            )
            return
        except Exception:
            ray.shutdown()
            if is_last:
                raise


def _check_answer(address: str) -> None:
    """Knock at a host and port: Ray itself would try for half a minute.

    Raises:
        ConfigError: Nobody answers.
    """
    place = address.removeprefix('ray://')
    host, _, port = place.rpartition(':')
    if place == 'auto' or not (host and port.isdigit()):
        return
    try:
        with socket.create_connection((host.strip('[]'), int(port)), _ANSWER_S):
            pass
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f'Ray does not answer at {address} ({error}); expected a running cluster: start it '
            'with `ray start --head`, or give --ray without an address for this machine.'
        ) from error


def checked_count(ray: Any, workers: Workers) -> int:
    """Return the number of workers to start.

    Raises:
        ConfigError: The cluster has not the resources.
    """
    total = ray.cluster_resources()
    numbers = [total.get('CPU', 0) / workers.cpus] if workers.cpus > 0 else []
    numbers += [total.get('GPU', 0) / workers.gpus] if workers.gpus > 0 else []
    count = workers.count or int(min(numbers, default=0) + 1e-6)
    wanted = {'CPU': workers.cpus * count, 'GPU': workers.gpus * count}
    lacking = [f'{n:g} {name}' for name, n in wanted.items() if n > total.get(name, 0) + 1e-6]
    if lacking or count < 1:
        raise ConfigError(
            f'{max(count, 1)} workers need {" and ".join(lacking) or "more"} and the cluster '
            f'has {total.get("CPU", 0):g} CPU and {total.get("GPU", 0):g} GPU; expected '
            'enough: use fewer --workers, or smaller --worker-cpus and --worker-gpus.'
        )
    return count


@dataclass
class _Slot:
    """Place of one worker."""

    actor: Any
    greeting: Any
    """What it says of itself, to come."""
    is_ready: bool = False
    is_busy: bool = False


class RayPool:
    """Actors with a network each. One that dies is replaced, on whatever machine has room."""

    def __init__(
        self,
        ray: Any,
        order: ReplayOrder,
        output: Path,
        task_frames: int,
        workers: Workers,
        tell: Callable[[str], None] = print,
    ) -> None:
        """Start the workers; wait until the first has loaded its network.

        Args:
            ray: The connected module.
            order: What is asked of each replay.
            output: Output folder, which all machines see under this path.
            task_frames: Fewest frames of a task.
            workers: How many, and what each reserves.
            tell: Called with a sentence about a worker that died before it was ready.

        Raises:
            ConfigError: The cluster has not the resources, or the network cannot be used.
        """
        self._ray, self._tell = ray, tell
        count = checked_count(ray, workers)
        self._kind = ray.remote(RemoteWorker).options(num_cpus=workers.cpus, num_gpus=workers.gpus)
        self._arguments = (order, str(output), task_frames, max(1, int(workers.cpus)))
        self._slots = [self._new_slot() for _ in range(count)]
        self._running: dict[Any, tuple[_Slot, Step]] = {}
        self._failed_starts = 0
        self.about: dict[str, Any] = {}
        """What the first worker said of itself; the others must say the same."""
        self._wait_for_worker()

    def _new_slot(self) -> _Slot:
        actor = self._kind.remote(*self._arguments)
        return _Slot(actor, actor.call.remote('about', ()))

    def _wait_for_worker(self) -> None:
        """Wait until a worker is there.

        Raises:
            ConfigError: None came, or it cannot do what the others do.
        """
        while not any(slot.is_ready for slot in self._slots):
            greetings = [slot.greeting for slot in self._slots]
            ready, _ = self._ray.wait(greetings, num_returns=1, timeout=_START_S)
            if not ready:
                raise ConfigError(
                    f'No worker started within {_START_S:.0f} s; expected room on the cluster: '
                    'see `ray status`, and run the same command again.'
                )
            self._greet()

    def _greet(self) -> None:
        """Take workers that have loaded their network.

        Raises:
            ConfigError: The network cannot be used, or two workers differ in device or weights.
        """
        waiting = {slot.greeting: slot for slot in self._slots if not slot.is_ready}
        if not waiting:
            return
        ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        for greeting in ready:
            try:
                about, error = self._ray.get(greeting)
            except Exception as problem:  # noqa: BLE001  Ray raises errors of many libraries
                place = self._slots.index(waiting[greeting])
                self._failed_starts += 1
                if self._failed_starts < _STARTS:
                    self._slots[place] = self._new_slot()
                    self._tell(f'{_DEAD} ({first_line(problem)}); another takes its place.')
                    continue
                if any(slot.is_ready for slot in self._slots):
                    del self._slots[place]
                    self._tell(f'{_DEAD} ({first_line(problem)}); the others go on without it.')
                    continue
                raise ConfigError(
                    f'A worker did not start ({first_line(problem)}); expected hiseg_ros and the '
                    'same packages on every machine of the cluster.'
                ) from problem
            if error:
                raise ConfigError(error)
            self.about = self.about or about
            facts, known = about['facts'], self.about['facts']
            different = [key for key in known if facts.get(key) != known[key]]
            if different:
                raise ConfigError(
                    f'The workers on {self.about["node"]} and {about["node"]} have another '
                    f'{" and ".join(different)}; expected the same everywhere, or figures would '
                    'depend on who did what: give --device, --backend and --precision.'
                )
            waiting[greeting].is_ready = True

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self._slots)

    def has_room(self) -> bool:
        """Return whether a worker can take a step; without any worker, wait for one.

        Raises:
            ConfigError: No worker comes.
        """
        self._greet()
        if not any(slot.is_ready for slot in self._slots):
            self._wait_for_worker()
        return any(slot.is_ready and not slot.is_busy for slot in self._slots)

    def submit(self, step: Step) -> None:
        """Begin a step at a worker that has none."""
        slot = next(slot for slot in self._slots if slot.is_ready and not slot.is_busy)
        slot.is_busy = True
        self._running[slot.actor.call.remote(step.method, step.arguments)] = (slot, step)

    def wait(self) -> Sequence[Ended]:
        """Wait until at least one step has ended or a worker is there; return those that have."""
        greetings = [slot.greeting for slot in self._slots if not slot.is_ready]
        self._ray.wait([*self._running, *greetings], num_returns=1)
        handles = list(self._running)
        ready, _ = self._ray.wait(handles, num_returns=len(handles), timeout=0)
        return [self._ended(handle) for handle in ready]

    def _ended(self, handle: Any) -> Ended:
        slot, step = self._running.pop(handle)
        slot.is_busy = False
        ended = Ended(step)
        try:
            value, error = self._ray.get(handle)
        except self._ray.exceptions.RayActorError as problem:
            with suppress(Exception):
                self._ray.kill(slot.actor)
            self._slots[self._slots.index(slot)] = self._new_slot()
            return replace(ended, is_lost=True, error=first_line(problem))
        except self._ray.exceptions.RayError as problem:
            return replace(ended, error=first_line(problem))
        return replace(ended, value=value, error=error)


def first_line(problem: BaseException) -> str:
    """Return the first line of Ray's long texts without its end mark."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return reason_of(Exception(lines[0] if lines else type(problem).__name__)).rstrip('.')
