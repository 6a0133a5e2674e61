# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The compiled network: labels of the reference, cache on disk, no silent failure."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.backends import compiled
from hiseg_ros.inference.backends.compiled import CACHE, compiled_step, use_lasting_cache
from hiseg_ros.inference.engine import Engine

TWO_SIZES = """
import json, sys, torch
from torch._dynamo.utils import counters
from hiseg_ros.inference.backends.compiled import compiled_step

network = torch.nn.Conv2d(3, 2, 1).eval()
step = compiled_step(lambda images: network(images))
with torch.inference_mode():
    for height in map(int, sys.argv[1:]):
        step(torch.zeros(1, 3, height, 8))
print(json.dumps([counters['inductor'][f'fxgraph_cache_{end}'] for end in ('hit', 'miss')]))
"""


@pytest.mark.slow
def test_the_compiled_network_gives_the_labels_of_the_reference(
    tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """Compiled for the size that is told beforehand."""
    eager = Engine(tiny_checkpoint, device='cpu', backend='eager')
    engine = Engine(tiny_checkpoint, device='cpu', backend='compile', image_size=(96, 160))
    found, expected = engine.segment(street_image), eager.segment(street_image)
    np.testing.assert_allclose(
        found.probabilities.values, expected.probabilities.values, atol=1e-3
    )
    assert (found.labels == expected.labels).mean() > 0.999


@pytest.mark.slow
def test_what_one_process_compiled_the_next_one_finds(tmp_path: Path) -> None:
    """In the user's folder, by size: another size is compiled."""
    variables = {
        **os.environ,
        'XDG_CACHE_HOME': str(tmp_path),
        'TORCHINDUCTOR_VEC_ISA_OK': '0',  # spares tries of the compiler that take seconds
    }
    variables.pop(CACHE, None)
    found = []
    for heights in (['8'], ['8', '16']):
        result = subprocess.run(
            [sys.executable, '-c', TWO_SIZES, *heights],
            capture_output=True, text=True, timeout=240, env=variables,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        found.append(json.loads(result.stdout))
    assert found == [[0, 1], [1, 1]]
    assert (tmp_path / 'hiseg_ros' / 'inductor' / 'fxgraph').is_dir()


@pytest.mark.parametrize(
    ('named', 'xdg', 'expected'),
    [
        (None, 'cache', 'cache/hiseg_ros/inductor'),
        (None, None, 'home/.cache/hiseg_ros/inductor'),
        ('elsewhere', 'cache', 'elsewhere'),
        ('TMP/torchinductor_me', 'cache', 'cache/hiseg_ros/inductor'),
        (None, 'file', None),
        ('TMP/torchinductor_me', 'file', 'TMP/torchinductor_me'),
    ],
)
def test_torch_keeps_what_it_compiles_where_a_restart_leaves_it(
    named: str | None,
    xdg: str | None,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless somebody named a folder, which torch itself does when it is imported."""
    (tmp_path / 'file').touch()

    def there(name: str) -> str:
        if name.startswith('TMP'):
            return name.replace('TMP', tempfile.gettempdir())
        return str(tmp_path / name)

    monkeypatch.setenv('HOME', there('home'))
    for variable, value in ((CACHE, named), ('XDG_CACHE_HOME', xdg)):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, there(value))
    use_lasting_cache()
    assert os.environ.get(CACHE) == (there(expected) if expected else None)


def test_a_network_that_would_run_eagerly_in_truth_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beyond the limit of sizes, or where torch would leave a step to Python."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(torch, 'compile', functools.partial(torch.compile, backend='eager'))
    monkeypatch.setattr(compiled, 'MOST_COMPILATIONS', 2)
    step = compiled_step(lambda images: images + 1)
    for width in (2, 3):
        torch.testing.assert_close(step(torch.zeros(1, width)), torch.ones(1, width))
    with pytest.raises(ConfigError, match='has compiled for 2 input sizes'):
        step(torch.zeros(1, 4))
    torch.testing.assert_close(step(torch.zeros(1, 2)), torch.ones(1, 2))

    def broken(images: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return images

    with pytest.raises(ConfigError, match='cannot compile the network as one graph'):
        compiled_step(broken)(torch.zeros(1, 2))
