# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Importing the package and segmenting images opens no connection and looks no name up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import hostile
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError

WATCHED = """
import sys
def watch(event, arguments):
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname',
                 'socket.sendto', 'urllib.Request', 'http.client.connect'):
        print('reached out:', event, arguments, flush=True)
        raise OSError('no network')
    if event in ('os.exec', 'os.posix_spawn', 'subprocess.Popen', 'os.fork', 'os.system'):
        print('started:', event, str(arguments)[:200], flush=True)
sys.addaudithook(watch)
"""
"""Python tells of every connection, also of those that are caught and hidden."""


def run(program: str, *arguments: str, folder: Path) -> list[str]:
    """Return what a watched program printed."""
    home = {'HOME': str(folder), 'PATH': '/usr/bin:/bin', 'OMP_NUM_THREADS': '1'}
    result = subprocess.run(
        [sys.executable, '-c', WATCHED + program, *arguments],
        cwd=folder,
        env=home,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert result.returncode == 0, result.stderr[-1500:]
    return result.stdout.splitlines()


PREDICT = """
from hiseg_ros.cli.__main__ import main
sys.exit(main(['predict', 'a.png', '--output', 'out', *sys.argv[1:]]))
"""


@pytest.mark.needs('torch')
@pytest.mark.parametrize(
    'backend', ['onnx_runtime', 'openvino', *(['eager'] if hostile.TIMES > 1 else [])]
)
def test_predict_reaches_for_nothing(backend: str, tmp_path: Path) -> None:
    """With a home without caches: neither weights nor telemetry."""
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((64, 96, 3), 90, np.uint8))
    said = run(PREDICT, '--backend', backend, folder=tmp_path)
    assert not [line for line in said if line.startswith('reached out')]
    assert (tmp_path / 'out' / 'a_labels.png').is_file()
    assert not list(tmp_path.rglob('openvino_telemetry*')) and not (tmp_path / 'intel').exists()


@pytest.mark.needs('torch')
def test_the_watch_notices_a_connection(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    program = 'import urllib.request as r\ntry: r.urlopen("http://127.0.0.1:9")\nexcept OSError: 0'
    assert any('reached out' in line for line in run(program, folder=tmp_path))


@pytest.mark.needs('torch')
@pytest.mark.parametrize('name', ['hf-hub:a/b', 'hf_hub:a/b', 'local-dir:/', 'a/b', '../x', 'a\0'])
def test_a_backbone_cannot_be_named_into_a_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weights file names its backbone, and timm would fetch what is named so."""
    import timm

    from hiseg_ros.model.backbone import TimmBackbone

    monkeypatch.setattr(timm, 'create_model', lambda *_, **__: pytest.fail('timm was asked'))
    with pytest.raises(ConfigError, match='timm has no such model'):
        TimmBackbone(name)
