# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A recorder that gets no response asks again, with a bound, and says what it waits for."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from hiseg_ros.errors import ConfigError

pytestmark = pytest.mark.needs('ros')

ACTIVE, INACTIVE, UNCONFIGURED = 3, 2, 1


class Answer:
    """A response that is there at once, or never."""

    def __init__(self, state: int | None) -> None:
        self._state = state

    def done(self) -> bool:
        return self._state is not None

    def result(self) -> Any:
        from lifecycle_msgs.msg import State
        from lifecycle_msgs.srv import GetState

        labels = {ACTIVE: 'active', INACTIVE: 'inactive', UNCONFIGURED: 'unconfigured'}
        state = State(id=self._state or 0, label=labels[self._state or 0])
        return GetState.Response(current_state=state)


class Client:
    """Gives prepared answers, then the last one for ever."""

    srv_name = '/segmentation/get_state'

    def __init__(self, states: list[int | None]) -> None:
        self._states = states
        self.asked = self.removed = 0

    def wait_for_service(self, timeout_s: float) -> bool:
        return True

    def call_async(self, request: object) -> Answer:
        self.asked += 1
        return Answer(self._states.pop(0) if len(self._states) > 1 else self._states[0])

    def remove_pending_request(self, answer: Answer) -> None:
        self.removed += 1


class FakeNode:
    def __init__(self, *states: int | None) -> None:
        self.client = Client(list(states))

    def create_client(self, *arguments: object) -> Client:
        return self.client

    def destroy_client(self, client: object) -> None:
        pass


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Any:
    from hiseg_ros.ros.harness import recorder

    monkeypatch.setattr(recorder, 'RESPONSE_S', 0.05)
    monkeypatch.setattr(recorder.rclpy, 'spin_once', lambda *a, **k: time.sleep(0.01))
    return recorder


def waits(said: str) -> list[str]:
    return [json.loads(line)['waits_for'] for line in said.splitlines()]


def test_a_lost_response_is_asked_for_again(
    recorder: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    node = FakeNode(None, None, INACTIVE, ACTIVE)
    assert recorder.wait_until_active(node, '/segmentation', threading.Event(), 30)
    assert node.client.asked == 4
    assert node.client.removed == 2
    said = waits(capsys.readouterr().out)
    assert said[0] == 'the service /segmentation/get_state'
    assert said[1].endswith('which has been asked again')
    assert 'it is inactive' in said[3]


def test_the_waiting_has_a_bound_and_names_its_reason(recorder: Any) -> None:
    node = FakeNode(None)
    began = time.monotonic()
    with pytest.raises(ConfigError, match='waiting for a response of /segmentation/get_state'):
        recorder.wait_until_active(node, '/segmentation', threading.Event(), 0.4)
    assert time.monotonic() - began < 10
    assert node.client.asked > 1


def test_a_request_to_stop_ends_the_waiting(recorder: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert not recorder.wait_until_active(FakeNode(None), '/segmentation', stop, 60)


def test_a_live_run_shows_what_is_waited_for() -> None:
    import queue

    from hiseg_ros.ros.harness import live_run

    events: Any = queue.Queue()
    shown: list[str] = []
    run: Any = live_run._Run(None, {}, events, lambda progress: shown.append(progress.phase))  # type: ignore[arg-type]
    events.put({'from': 'recorder', 'event': 'waiting', 'waits_for': 'a response'})
    run._handle(0.1)
    assert shown == ['waiting for a response']
