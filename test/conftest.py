# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the tests share: needs that may be missing, and small weights."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hiseg_ros.taxonomy import Taxonomy

if TYPE_CHECKING:
    from ros_graph import Graph

# The tests' networks are tiny: a second thread would only wait for the first, and on a busy
# machine it waits long. Read by torch when it is imported, so it has to be set before that.
os.environ.setdefault('OMP_NUM_THREADS', '1')

NEEDS = {
    'ros': ('rclpy', 'hiseg_ros.msg', 'sensor_msgs.msg'),
    'torch': ('torch', 'timm', 'torchmetrics'),
    'train': ('torch', 'lightning', 'matplotlib', 'tensorboard', 'torchvision'),
    'triton': ('triton',),
    'launch': ('launch', 'launch_ros'),
    'view': ('rerun',),
    'vision_msgs': ('vision_msgs.msg',),
}

NEED_OF_PATH = {
    'decision': 'torch',
    'evaluation': 'torch',
    'inference': 'torch',
    'model': 'torch',
    'test_pipeline.py': 'torch',
    'test_preprocessing.py': 'torch',
    'test_regions.py': 'torch',
    'training': 'train',
    'viewer': 'view',
}
"""Folders and files of tests that import their need at their top."""


def missing_need(name: str) -> str | None:
    """Return why a need is not met here, or None."""
    if name == 'gpu':
        import torch

        return None if torch.cuda.is_available() else 'no CUDA device'
    if name == 'browser':
        from headless_browser import PROGRAMS, find_browser

        return None if find_browser() else f'none of {", ".join(PROGRAMS)} is on the PATH'
    for module in NEEDS[name]:
        try:
            importlib.import_module(module)
        except ImportError as problem:
            return f'{module} cannot be imported ({problem})'
    return None


def left_out(path: Path) -> str | None:
    """Return the module without which a folder or file of tests cannot even be imported, or None.

    Where HISEG_REQUIRE names torch nothing is left out: the import then fails, as it should.
    """
    if 'torch' in os.environ.get('HISEG_REQUIRE', '').split():
        return None
    modules = NEEDS.get(NEED_OF_PATH.get(path.name, ''), ())
    return next((name for name in modules if importlib.util.find_spec(name) is None), None)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the rooms whose packages are not installed."""
    return True if left_out(collection_path) else None


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    missing = {path: left_out(Path(path)) for path in NEED_OF_PATH}
    return [f'left out: {path} (no module {name})' for path, name in missing.items() if name]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line('markers', 'needs(name, ...): skip, or fail if HISEG_REQUIRE names it')


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is missing; fail it where HISEG_REQUIRE says the need is there."""
    required = os.environ.get('HISEG_REQUIRE', '').split()
    for marker in item.iter_markers('needs'):
        for name in marker.args:
            reason = missing_need(name)
            if reason is None:
                continue
            if name in required:
                pytest.fail(f'HISEG_REQUIRE names {name!r}, but {reason}', pytrace=False)
            pytest.skip(f'needs {name}: {reason}')


@pytest.fixture(scope='session')
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small untrained network on the street taxonomy, the same in every run."""
    import torch

    from hiseg_ros.model.checkpoint import save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing
    from hiseg_ros.taxonomy import load_taxonomy

    taxonomy = load_taxonomy('street')
    config = NetworkConfig('mobilenetv4_conv_small_050', channels=16, branch_channels=8)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = HierarchicalNetwork(config, taxonomy)
        # Steeper logits than at the start of training, so that all kinds of nodes win somewhere.
        for module in network.head.logits:  # type: ignore[union-attr]
            torch.nn.init.normal_(module.weight, std=1.5)
        # One look at noise gives the normalisation layers statistics to tell pixels apart by.
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            network.train()(torch.randn(2, 3, 96, 160))
        network.eval()
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    recipe = 'random numbers, for tests'
    card = {'name': 'tiny', 'recipe': recipe, 'training_sets': [], 'scores': {}}
    save_checkpoint(path, network, taxonomy, Preprocessing(), card)
    return path


@pytest.fixture
def street_image() -> np.ndarray:
    """Return a (96, 160, 3) uint8 image with structure at several scales."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (6, 10, 3))
    image = np.kron(coarse, np.ones((16, 16, 1)))
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope='session')
def small_taxonomy() -> Taxonomy:
    """Return a tree of 11 nodes and 7 leaves in three levels with signs as its subclass root."""
    from random_trees import named_tree

    return named_tree(
        (
            'scene',
            [
                ('ground', ['road', 'walk']),
                ('sign', ['stop', ('limit', ['limit_30', 'limit_50']), 'other sign']),
                'sky',
            ],
        ),
        subclass_root='sign',
    )


@pytest.fixture(scope='session')
def ros_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Put this process and its children into a ROS domain that nobody else on the machine uses."""
    before = dict(os.environ)
    from hiseg_ros.ros.harness.isolation import Isolation

    with Isolation() as isolation:
        environment = isolation.environment()
        environment['ROS_LOG_DIR'] = str(tmp_path_factory.mktemp('ros_log'))
        environment['OMP_NUM_THREADS'] = '1'
        os.environ.clear()
        os.environ.update(environment)
        yield environment
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def graph(ros_environment: dict[str, str]) -> Iterator[Graph]:
    """Return a private ROS graph."""
    from ros_graph import Graph

    graph = Graph()
    yield graph
    graph.close()
