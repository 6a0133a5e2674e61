# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A live run: player, segmentation node and recorder as processes of a private ROS graph."""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hiseg_ros.ending import Terminated, take_time
from hiseg_ros.errors import BagError, ConfigError, HisegError
from hiseg_ros.ros.harness.child_process import ChildProcess, end_all
from hiseg_ros.ros.harness.isolation import Isolation

SEGMENTATION = '/segmentation'
PLAYER, RECORDER, NODE = 'player', 'recorder', 'segmentation node'
STARTUP_S = 180.0
STALL_S = 60.0
"""How long the node may take for its last frame before the run is aborted."""
NOTE_PERIOD_S = 1.0
INTERRUPTED_S = 1.0
"""How long the processes may take to end after Ctrl-C."""

NODE_PROGRAM = (
    'from hiseg_ros.ros.harness.child_process import interrupt_with_parent\n'
    'from hiseg_ros.ros.node.segmentation_node import main\n'
    'interrupt_with_parent()\n'
    'raise SystemExit(main())\n'
)


@dataclass(frozen=True)
class LivePlan:
    """What to run."""

    player: Sequence[str]
    """Command with the options --wait-for, --wait-for-all, --timeout, --clock and --child of
    `hiseg play`."""
    camera_topic: str
    """Topic on which the player publishes: .../image_raw or .../image_raw/compressed."""
    further_topics: Sequence[str]
    """Other topics of the player, which are recorded too."""
    recording: Path
    """Folder of the bag to write."""
    logs: Path
    """Folder for the logs of the processes."""
    results: Sequence[str] = ()
    """Topics of the node to record, below its name; all where there are none."""
    parameters: Sequence[tuple[str, str]] = ()
    """Parameters of the segmentation node, as YAML scalars."""
    is_simulated: bool = False
    """Whether all processes use the time of /clock, which the player publishes."""
    is_endless: bool = False
    """Whether the player repeats the recording until Ctrl-C, which then ends the run normally."""


@dataclass(frozen=True)
class Progress:
    """Progress of a run."""

    phase: str
    published: int = 0
    processed: int = 0
    rounds: int = 0
    """How often the player has started the recording."""
    damages: tuple[str, ...] = ()
    """Damages of the recording, known when it is played."""
    restamped: int = 0
    """Images that got their recording time as stamp."""


@dataclass
class _State:
    phase: str = 'loading the weights'
    published: int = 0
    processed: int = 0
    rounds: int = 0
    damages: tuple[str, ...] = ()
    restamped: int = 0
    last_published: tuple[int, int] = (0, 0)
    """Stamp of the last image, and when it was published by this machine's clock, in ns."""
    last_processed: tuple[int, int] = (0, 0)
    """Stamp of the last statistics, and when they were received."""
    played: bool = False
    recorded: bool = False


def run_live(plan: LivePlan, on_progress: Callable[[Progress], None]) -> Progress:
    """Replay a recording through the node and record, until the node has finished the last frame.

    All processes have ended when this returns or raises.

    Args:
        plan: What to run.
        on_progress: Called in the calling thread after each event of a process.

    Returns:
        The progress at the end.

    Raises:
        BagError: The bag is damaged or the recording cannot be written.
        ConfigError: The node could not be configured, or a process ended too early.
    """
    plan.logs.mkdir(parents=True, exist_ok=True)
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    children: list[ChildProcess] = []
    with Isolation() as isolation, TemporaryDirectory(prefix='hiseg_ros_log_') as ros_logs:
        environment = isolation.process_environment(ros_logs)
        try:
            for name, command in _commands(plan).items():
                log = plan.logs / f'{name.replace(" ", "_")}.log'
                children.append(ChildProcess(name, command, environment, log, events))
            run = _Run(plan, {child.name: child for child in children}, events, on_progress)
            run.until_played()
            run.until_drained()
            run.until_recorded()
            return run.progress
        except KeyboardInterrupt:
            end_all(children, INTERRUPTED_S)
            raise
        finally:
            end_all(children)


def _commands(plan: LivePlan) -> dict[str, list[str]]:
    is_compressed = plan.camera_topic.endswith('/compressed')
    base = plan.camera_topic.removesuffix('/compressed')
    info = f'{base.rpartition("/")[0]}/camera_info'
    clock = ['--clock'] if plan.is_simulated else []
    parameters = (
        ('image_transport', 'compressed' if is_compressed else 'raw'),
        ('use_sim_time', json.dumps(plan.is_simulated)),
        ('autostart', 'true'),
        *plan.parameters,
    )
    node = [sys.executable, '-c', NODE_PROGRAM, '--ros-args']
    node += ['-r', f'image:={base}', '-r', f'camera_info:={info}']
    for name, value in parameters:
        node += ['-p', f'{name}:={value}']
    recorder = [sys.executable, '-m', 'hiseg_ros.ros.harness.recorder']
    recorder += ['--output', str(plan.recording)]
    recorder += ['--node', SEGMENTATION, '--timeout', str(STARTUP_S), *clock]
    for name in plan.results:
        recorder += ['--result', name]
    for topic in (plan.camera_topic, info, '/diagnostics', *plan.further_topics):
        recorder += ['--topic', topic]
    player = [*plan.player, '--child', *clock, '--timeout', str(STARTUP_S)]
    player += ['--wait-for', SEGMENTATION.strip('/'), '--wait-for-all', 'hiseg_recorder']
    return {NODE: node, RECORDER: recorder, PLAYER: player}


class _Run:
    def __init__(
        self,
        plan: LivePlan,
        children: dict[str, ChildProcess],
        events: queue.Queue[dict[str, Any]],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._children = children
        self._events = events
        self._on_progress = on_progress
        self._state = _State()
        self._next_note_s = 0.0

    @property
    def progress(self) -> Progress:
        """Progress of the run."""
        state = self._state
        return Progress(
            state.phase,
            state.published,
            state.processed,
            state.rounds,
            state.damages,
            state.restamped,
        )

    def until_played(self) -> None:
        try:
            while not self._state.played:
                self._handle(0.2)
        except KeyboardInterrupt as request:
            is_end = self._plan.is_endless and self._state.published
            if isinstance(request, Terminated) or not is_end:
                raise
            take_time()  # for the rest of the recording, and what is made from it
            self._children[PLAYER].request_stop()
            while not self._state.played:
                self._handle(0.2)

    def _is_drained(self) -> bool:
        # Rounds may repeat stamps, so the statistics have to arrive after the last image.
        (published, published_at), (processed, received_at) = (
            self._state.last_published, self._state.last_processed,
        )  # fmt: skip
        return processed == published and received_at >= published_at

    def until_drained(self) -> None:
        """Wait until the node has published the results of the last frame."""
        state = self._state
        last, changed_s = state.last_processed, time.monotonic()
        while not self._is_drained():
            self._handle(0.2)
            if state.last_processed != last:
                last, changed_s = state.last_processed, time.monotonic()
            elif time.monotonic() - changed_s > STALL_S:
                # A malformed last frame has no result.
                if state.processed:
                    return
                reason = self._children[NODE].last_error('[segmentation]: ')
                raise ConfigError(
                    f'The segmentation node published nothing for {state.published} images'
                    f'{f" ({reason})" if reason else ""}; expected labels: see '
                    f'{self._children[NODE].log}.'
                )

    def until_recorded(self) -> None:
        self._state.phase = 'finishing the recording'
        self._children[RECORDER].request_stop()
        while not self._state.recorded:
            self._handle(0.2)

    def _handle(self, timeout_s: float) -> None:
        if time.monotonic() >= self._next_note_s:
            self._next_note_s = time.monotonic() + NOTE_PERIOD_S
            for child in self._children.values():
                child.note_shared_memory()
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return
        state, kind, source = self._state, event['event'], event['from']
        if kind == 'error':
            raise self._failed(source, str(event['message']))
        if kind == 'ended' and not self._may_end(source):
            raise self._died(source, int(event['code']))
        if kind == 'waiting' and not state.published:
            state.phase = f'waiting for {event["waits_for"]}'
        elif kind == 'playing':
            state.phase = 'replaying'
        elif kind in ('progress', 'played') and source == PLAYER:
            state.published, state.rounds = int(event['frames']), int(event['rounds'])
            if kind == 'played':
                state.played, state.phase = True, 'waiting for the last frame'
                state.damages = tuple(map(str, event.get('damages', ())))
                state.restamped = int(event.get('restamped', 0))
                state.last_published = int(event['last_stamp_ns']), int(event['last_time_ns'])
        elif kind == 'recorded':
            state.recorded = True
        elif kind == 'progress' and source == RECORDER:
            topic = f'{SEGMENTATION}/stats'  # published last for each frame
            state.processed = int(event['counts'].get(topic, 0))
            state.last_processed = (
                int(event['last_stamp_ns'].get(topic, 0)),
                int(event['last_received_ns'].get(topic, 0)),
            )
        self._on_progress(self.progress)

    def _may_end(self, source: str) -> bool:
        state = self._state
        return (source == RECORDER and state.recorded) or (source == PLAYER and state.played)

    def _failed(self, source: str, message: str) -> HisegError:
        refused = self._children[NODE].last_error('Not configured: ')
        if source == RECORDER and refused:
            return ConfigError(f'The segmentation node could not be configured: {refused}')
        return BagError(message) if 'bag' in message else ConfigError(message)

    def _died(self, source: str, code: int) -> HisegError:
        child = self._children[source]
        said = child.last_error()
        return ConfigError(
            f'The {source} ended before its work was done (exit code {code}'
            f'{f": {said}" if said else ""}); expected it to run to the end: see {child.log}.'
        )
