# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium for tests, driven over the DevTools protocol through two pipes.

Only the standard library is needed: with `--remote-debugging-pipe` the browser reads commands from
file descriptor 3 and writes answers to 4, each JSON with a zero byte behind it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')

_LAUNCH = """
import fcntl, os, sys
# Out of the way first: they may be 3 or 4 themselves.
high = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """Return the path of a Chromium or Chrome, or None."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class Browser:
    """One page in a browser; use as a context manager."""

    def __init__(self, timeout_s: float = 60.0) -> None:
        """Start the browser with an empty page."""
        program = find_browser()
        assert program is not None, f'no browser found; expected one of {", ".join(PROGRAMS)}'
        self._timeout_s = timeout_s
        self._profile = tempfile.mkdtemp(prefix='hiseg_browser_')
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        arguments = [
            program, '--headless=new', '--remote-debugging-pipe',
            f'--user-data-dir={self._profile}', '--no-first-run', '--disable-gpu',
            '--disable-extensions', '--hide-scrollbars', '--disable-background-networking',
            '--disable-dev-shm-usage', 'about:blank',
        ]  # fmt: skip
        if os.geteuid() == 0:
            arguments.insert(1, '--no-sandbox')  # Chromium refuses to start as root with it
        self._process = subprocess.Popen(
            [sys.executable, '-c', _LAUNCH, str(commands), str(answers), *arguments],
            pass_fds=(commands, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self._buffer = b''
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        """All that the page has reported."""
        target = self.send('Target.createTarget', url='about:blank')['targetId']
        attached = self.send('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.send(f'{domain}.enable')

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        command: dict[str, Any] = {'id': self._number, 'method': method, 'params': parameters}
        if self._session is not None:
            command['sessionId'] = self._session
        os.write(self._commands, json.dumps(command).encode() + b'\0')
        while True:
            message = self._receive()
            if message.get('id') == self._number:
                assert 'error' not in message, f'{method}: {message["error"]}'
                result: dict[str, Any] = message['result']
                return result
            self.events.append(message)

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + self._timeout_s
        while b'\0' not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0, until - time.monotonic()))
            assert ready, f'the browser has not answered for {self._timeout_s} s'
            data = os.read(self._answers, 1 << 20)
            assert data, f'the browser has ended with {self._process.poll()}'
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b'\0')
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.send('Page.navigate', url=path.resolve().as_uri())
        while not any(event.get('method') == 'Page.loadEventFired' for event in self.events):
            self.events.append(self._receive())

    def run(self, script: str) -> Any:
        """Return the value of an expression on the page; a promise is awaited."""
        answer = self.send(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Give the page a size in CSS pixels and a colour scheme."""
        self.send(
            'Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.send('Emulation.setEmulatedMedia', features=[scheme])
        self.run('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')

    def press(self, key: str, code: int) -> None:
        """Press a key where the focus is.

        Args:
            key: Its name, such as 'ArrowRight'.
            code: Its number in Windows, which the protocol asks for.
        """
        text = {'text': '\r'} if key == 'Enter' else {}
        for kind in ('keyDown', 'keyUp'):
            self.send(
                'Input.dispatchKeyEvent', type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, **(text if kind == 'keyDown' else {}),
            )  # fmt: skip

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        x, y = self.run(
            f'(() => {{ const one = document.querySelector({json.dumps(selector)});'
            'one.scrollIntoView({block: "center"}); const box = one.getBoundingClientRect();'
            'return [box.x + box.width / 2, box.y + box.height / 2]; })()'
        )
        for kind in ('mousePressed', 'mouseReleased'):
            self.send('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def point(self, selector: str, x: float, y: float) -> None:
        """Move the mouse to a place in an element.

        Args:
            selector: Of the element.
            x: Share of its width from the left.
            y: Share of its height from the top.
        """
        left, top, width, height = self.run(
            f'(() => {{ const one = document.querySelector({json.dumps(selector)});'
            'one.scrollIntoView({block: "center"}); const box = one.getBoundingClientRect();'
            'return [box.x, box.y, box.width, box.height]; })()'
        )
        self.send(
            'Input.dispatchMouseEvent', type='mouseMoved', x=left + x * width, y=top + y * height
        )

    def nameless(self) -> list[str]:
        """Return the roles of controls and images that a screen reader has no name for."""
        roles = ('button', 'checkbox', 'combobox', 'image', 'img', 'link', 'listbox', 'radio',
                 'searchbox', 'slider', 'spinbutton', 'textbox')  # fmt: skip
        nodes = self.send('Accessibility.getFullAXTree')['nodes']
        return [
            node['role']['value']
            for node in nodes
            if not node['ignored']
            and node['role']['value'] in roles
            and not node.get('name', {}).get('value', '').strip()
        ]

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, and exceptions."""
        found = []
        for event in self.events:
            what, about = event.get('method'), event.get('params', {})
            if what == 'Runtime.exceptionThrown':
                found.append(str(about['exceptionDetails']))
            elif what == 'Log.entryAdded' and about['entry']['level'] in ('error', 'warning'):
                found.append(about['entry']['text'])
            elif what == 'Runtime.consoleAPICalled' and about['type'] in ('error', 'warning'):
                found.append(str(about['args']))
        return found

    def addresses(self) -> list[str]:
        """Return what the page has asked for, data in it left out."""
        return [
            event['params']['request']['url']
            for event in self.events
            if event.get('method') == 'Network.requestWillBeSent'
            and not event['params']['request']['url'].startswith('data:')
        ]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write an image of the page, or of what is in view."""
        clip = {}
        if whole:
            size = self.send('Page.getLayoutMetrics')['cssContentSize']
            clip = {'clip': {**size, 'scale': 1}}
        answer = self.send('Page.captureScreenshot', captureBeyondViewport=whole, **clip)
        path.write_bytes(base64.b64decode(answer['data']))

    def __enter__(self) -> Browser:
        """Return the browser itself."""
        return self

    def __exit__(self, *problem: object) -> None:
        """End it and remove its profile."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)
