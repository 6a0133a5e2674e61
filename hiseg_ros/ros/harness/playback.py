# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Plays a recording into the ROS graph: creates the node, waits for subscribers, and replays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from hiseg_ros.ros.harness.bag_player import BagPlayer, Played, Subscribers, TimedMessage, Track
from hiseg_ros.ros.start import init_ros

LINGER_S = 1.0
"""How long the last messages may take to their subscribers."""


@dataclass(frozen=True)
class PlayPlan:
    """How to play a recording."""

    camera: str
    """Recorded topic of the images."""
    tracks: Mapping[str, Track]
    """By recorded topic, including the camera's."""
    start_ns: int
    """Recording time of the first message."""
    rate: float = 1.0
    is_simulated: bool = False
    subscribers: Subscribers = Subscribers()
    timeout_s: float = 180.0
    """How long to wait for the subscribers."""
    stays: bool = False
    """Whether to stay in the graph after the end until asked to stop."""


def play_bag(
    rounds: Iterable[Iterable[TimedMessage]],
    plan: PlayPlan,
    stop: threading.Event,
    tell: Callable[[str, Played], object],
) -> None:
    """Initialise ROS, wait for the subscribers, replay, and shut ROS down.

    Args:
        rounds: The messages of each round.
        plan: What to play and how.
        stop: Event that ends the replay early.
        tell: Called in the calling thread with 'playing', 'progress' and 'played'.

    Raises:
        BagError: A message is damaged.
        ConfigError: A node did not subscribe in time, or a message type is not installed.
    """
    init_ros(signal_handler_options=SignalHandlerOptions.NO)  # the caller handles signals
    try:
        player = BagPlayer(plan.camera, plan.tracks, is_simulated=plan.is_simulated)
        try:
            if player.wait_for_subscribers(plan.subscribers, stop, plan.timeout_s, plan.start_ns):
                tell('playing', Played())
                played = player.play(
                    rounds, plan.rate, stop, lambda played: tell('progress', played)
                )
                tell('played', played)
                if plan.stays and not stop.is_set():
                    stop.wait()
                else:
                    stop.wait(LINGER_S)
        finally:
            player.close()
    finally:
        try_shutdown()
