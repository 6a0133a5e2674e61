# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The faults that a soak test injects, each with the reaction that is expected of the node."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from hiseg_ros.msg import ProbabilityMap, SubclassMasks
from hiseg_ros.ros.harness.live_run import SEGMENTATION
from hiseg_ros.ros.soak.cameras import BURST
from hiseg_ros.ros.soak.rig import Rig, UnexpectedError
from hiseg_ros.srv import LoadModel

SETTLE_S = 1.0
STALE_SLACK_S = 2.0
ROUNDS = 8
"""How often subscriptions to all outputs are created and destroyed."""
CONSUMERS = (
    ('labels', Image), ('confidence', Image), ('overlay/image', Image),
    ('level_1/probabilities', ProbabilityMap), ('traffic_signs', SubclassMasks),
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    inject: Callable[[Rig, str], str]
    """Called in the thread of the schedule with the rig and the name of a camera: injects the
    fault for a while, checks the node's reaction, removes the fault, and returns what was seen.

    Raises UnexpectedError where the node reacts otherwise.
    """
    is_of_camera: bool = True
    """Whether it concerns that camera alone."""


def stall(rig: Rig, camera: str) -> str:
    """A silent camera is reported as STALE, and the other cameras go on."""
    broken = rig.cameras[camera]
    broken.fault = 'stall'
    silent_s = broken.sent[-1].at_s if broken.sent else time.monotonic()
    try:
        rig.until(
            lambda: rig.status(camera).level == 'STALE',
            f'{camera} is STALE',
            rig.plan.image_timeout_s + STALE_SLACK_S,
        )
        after_s = time.monotonic() - silent_s
        rig.all_work(besides=camera)
        time.sleep(max(0.0, rig.plan.hold_s - after_s))
    finally:
        broken.fault = ''
    took_s = rig.until(lambda: rig.status(camera).level != 'STALE', f'{camera} recovers')
    return f'STALE {after_s:.1f} s after the last image, back {took_s:.1f} s after the next'


def garbage(rig: Rig, camera: str) -> str:
    """Malformed images are counted and reported as WARN."""
    before = rig.counters(camera)['bad']
    rig.cameras[camera].fault = 'garbage'
    try:
        rig.until(
            lambda: (
                rig.status(camera).level == 'WARN'
                and 'unreadable image' in rig.status(camera).text
            ),
            f'a WARN of {camera}',
        )
        time.sleep(rig.plan.hold_s)
    finally:
        rig.cameras[camera].fault = ''
    rig.all_work()
    rig.until(lambda: rig.counters(camera)['bad'] > before, f'{camera} counts malformed images')
    return f'WARN, {rig.counters(camera)["bad"] - before} counted as malformed'


def size(rig: Rig, camera: str) -> str:
    """After a change of size and encoding the results have the new size."""
    plan, results = rig.cameras[camera].plan, rig.results[camera]
    rig.cameras[camera].fault = 'size'
    try:
        took_s = rig.until(
            lambda: results[-1].size == plan.other_size, f'results of {plan.other_size}'
        )
        time.sleep(rig.plan.hold_s)
    finally:
        rig.cameras[camera].fault = ''
    rig.until(lambda: results[-1].size == plan.size, f'results of {plan.size}')
    height, width = plan.other_size
    return f'{width}x{height} {plan.other_encoding} in {took_s:.1f} s, and back'


def reload(rig: Rig, camera: str) -> str:
    """~/load_model swaps the weights while images arrive."""
    began = time.monotonic()
    answer = rig.call(rig.load_model, LoadModel.Request(model=rig.plan.model))
    if not answer.success:
        raise UnexpectedError(f'~/load_model said: {answer.message}')
    return f'swapped in {time.monotonic() - began:.1f} s'


def bad_file(rig: Rig, camera: str) -> str:
    """~/load_model of a damaged file changes nothing, and its response says so."""
    before = rig.statuses['segmentation'].values.get('model')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'damaged.onnx'
        path.write_bytes(b'this is no network')
        answer = rig.call(rig.load_model, LoadModel.Request(model=str(path)))
    if answer.success or not answer.message.startswith('Nothing has changed'):
        raise UnexpectedError(f'~/load_model of a damaged file said: {answer.message}')
    time.sleep(SETTLE_S)
    if rig.statuses['segmentation'].values.get('model') != before:
        raise UnexpectedError('a damaged file replaced the weights')
    return 'refused, the old weights stay in use'


def churn(rig: Rig, camera: str) -> str:
    """Subscriptions to all outputs are created and destroyed."""
    received = 0

    def count(message: object) -> None:
        nonlocal received
        received += 1

    for number in range(ROUNDS):
        reliability = (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)[number % 2]
        qos = QoSProfile(depth=1, reliability=reliability)
        subscriptions = [
            rig.create_subscription(kind, f'{SEGMENTATION}/{name}/{topic}', count, qos)
            for name in rig.cameras
            for topic, kind in CONSUMERS
        ]
        time.sleep(rig.plan.hold_s / ROUNDS)
        for subscription in subscriptions:
            rig.destroy_subscription(subscription)
    return f'{ROUNDS * len(CONSUMERS) * len(rig.cameras)} subscriptions, {received} messages'


def disable(rig: Rig, camera: str) -> str:
    """While disabled the node unsubscribes; once enabled it goes on."""
    # Images in the subscription's queue are lost with it, so the interval begins earlier.
    began = time.monotonic() - SETTLE_S
    rig.call(rig.set_enabled, SetBool.Request(data=False))
    try:
        rig.until(
            lambda: not any(camera.is_heard for camera in rig.cameras.values()),
            'the node unsubscribes',
        )
        rig.until(lambda: all(map(_is_idle(rig), rig.cameras)), 'the node is idle')
        before = {name: len(results) for name, results in rig.results.items()}
        time.sleep(rig.plan.hold_s)
        if any(len(rig.results[name]) > count for name, count in before.items()):
            raise UnexpectedError('results came while the node was disabled')
    finally:
        rig.call(rig.set_enabled, SetBool.Request(data=True))
        rig.until(lambda: all(c.is_heard for c in rig.cameras.values()), 'the node subscribes')
        rig.away.append((began, time.monotonic() + SETTLE_S))
    return f'no results for {rig.plan.hold_s:.0f} s'


def _is_idle(rig: Rig) -> Callable[[str], bool]:
    def is_idle(camera: str) -> bool:
        counted = rig.counters(camera)
        fates = sum(counted.values()) - counted['received'] - counted['lost']
        return fates == counted['received'] and 'disabled' in rig.statuses['segmentation'].text

    return is_idle


def nobody(rig: Rig, camera: str) -> str:
    """Images whose results nobody subscribes to are counted as unwanted."""
    before = rig.counters(camera)['unwanted']
    rig.cameras[camera].fault = 'stall'
    try:
        rig.until(lambda: rig.is_at_rest(camera), f'all images of {camera} are finished')
        rig.ignore(camera)
        time.sleep(SETTLE_S)
        rig.cameras[camera].fault = ''
        time.sleep(max(rig.plan.hold_s, 2 / rig.cameras[camera].plan.rate_hz))
        rig.cameras[camera].fault = 'stall'
        rig.until(lambda: rig.is_at_rest(camera), f'all images of {camera} are finished')
        rig.listen(camera)
        time.sleep(SETTLE_S)
    finally:
        rig.cameras[camera].fault = ''
    counted = rig.counters(camera)['unwanted'] - before
    if not counted:
        raise UnexpectedError(f'no image of {camera} was counted as unwanted')
    return f'{counted} counted as unwanted'


def burst(rig: Rig, camera: str) -> str:
    """Of many images at once the newest is processed, and each of the others is counted."""
    sender, before = rig.cameras[camera], rig.counters(camera)
    first = len(sender.sent)
    sender.fault = 'burst'
    try:
        rig.until(lambda: len(sender.sent) >= first + BURST, f'{camera} sends a burst')
    finally:
        sender.fault = ''
    ended = time.monotonic()
    rig.all_work()
    rig.until(lambda: rig.status(camera).at_s > ended + SETTLE_S, f'diagnostics of {camera}')
    counted = rig.counters(camera)
    busy, lost = (counted[cause] - before[cause] for cause in ('busy', 'lost'))
    return f'{BURST} at once; {busy} dropped busy since, {lost} before the node took them'


FAULTS = (
    Fault('camera stalls', stall),
    Fault('garbage instead of images', garbage),
    Fault('image size and encoding change', size),
    Fault('weights are loaded anew', reload, is_of_camera=False),
    Fault('a damaged file is loaded', bad_file, is_of_camera=False),
    Fault('readers come and go', churn, is_of_camera=False),
    Fault('disabled and enabled', disable, is_of_camera=False),
    Fault('nobody reads', nobody),
    Fault('a burst of images', burst),
)
