# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests share, and the environment in which they run."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_once import made_once

from hiseg_ros.taxonomy import Taxonomy

if TYPE_CHECKING:
    from ros_graph import Graph

pytest_plugins = ('needs', 'fast_set', 'turns')

# The tests' networks are tiny: a second thread would only wait for the first, and on a busy
# machine it waits long. Read by torch when it is imported, so it has to be set before that.
for _variable in ('OMP_NUM_THREADS', 'OPENCV_FOR_THREADS_NUM'):
    os.environ.setdefault(_variable, '1')

# Many tests start a Python process. Without stored bytecode each of them compiles torch's sources
# anew, which takes longer than most tests.
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
sys.dont_write_bytecode = False

# On a busy machine a program may take longer to end; test_ending.py tests the limit.
os.environ.setdefault('HISEG_END_S', '20')

# A job in the background of a script ignores Ctrl-C, and so would all that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before fixtures of any scope
def pytest_runtest_setup() -> None:
    """Undo what tests before it in the same process have set in libraries.

    The number of torch's threads changes the last bits of a sum, and other projects switch off
    loggers or raise the level of all handlers (NNCF and what it imports).
    """
    logging.disable(logging.NOTSET)
    logging.root.setLevel(logging.WARNING)
    for handler in logging.root.handlers:
        handler.setLevel(logging.NOTSET)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition('.')[0] == 'hiseg_ros' and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
    # Lightning ignores Ctrl-C from the first on, and a test of Ctrl-C would be none.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if (torch := sys.modules.get('torch')) is not None:
        torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))


@pytest.fixture(scope='session')
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights of a small untrained network on the street taxonomy, always the same."""
    return made_once(tmp_path_factory, 'weights', write_tiny_checkpoint) / 'tiny.safetensors'


def write_tiny_checkpoint(folder: Path) -> None:
    """Write tiny.safetensors."""
    import torch

    from hiseg_ros.model.checkpoint import save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing
    from hiseg_ros.taxonomy import load_taxonomy

    taxonomy = load_taxonomy('street')
    config = NetworkConfig(
        'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
    )
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
    recipe = 'random numbers, for tests'
    card = {'name': 'tiny', 'recipe': recipe, 'training_sets': [], 'scores': {}}
    save_checkpoint(folder / 'tiny.safetensors', network, taxonomy, Preprocessing(), card)


@pytest.fixture(scope='session')
def drive_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for XDG_CACHE_HOME: the demo finds its drive there, as eight slow frames.

    All of it takes a minute to draw.
    """
    return made_once(tmp_path_factory, 'drive', write_start_of_drive)


def write_start_of_drive(folder: Path) -> None:
    """Write the beginning of the demo's drive where the demo keeps the whole."""
    from hiseg_ros.bags.footage import write_camera_bag
    from hiseg_ros.cli.shared.drawn_drive import DrivePlan, draw, drawing_digest

    plan = DrivePlan()
    path = folder / 'hiseg_ros' / f'drive-{drawing_digest(plan)}-{plan.frames}'
    path.parent.mkdir()
    write_camera_bag(path, (draw(plan, index) for index in range(8)), rate_hz=5.0)


@pytest.fixture(scope='session')
def debug_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `hiseg train debug` ran; said.txt has what it printed."""
    return made_once(tmp_path_factory, 'debug', train_debug)


def train_debug(folder: Path) -> None:
    """Run the command in a folder."""
    from hiseg_ros.cli.__main__ import main

    before = Path.cwd()
    os.chdir(folder)
    try:
        with Path('said.txt').open('w') as said, redirect_stdout(said):
            assert main(['train', 'debug', '--accelerator', 'cpu']) == 0
    finally:
        os.chdir(before)


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
