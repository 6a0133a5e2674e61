# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Parameter input_height auto: engines follow the cameras; fixed heights and engines do not."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.scaled_input import InputScale
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.ros.node.input_chooser import InputChooser, warm_up_sizes
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.rotation import upright_size
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import (
    EVERYTHING,
    ImageSize,
    NodeProbabilities,
    RgbImage,
    Segmentation,
    Wanted,
)

if TYPE_CHECKING:
    from ros_graph import Graph

IMAGE: ImageSize = (512, 1024)


class SlowEngine:
    """An engine whose time grows with the area of its input; it sleeps only where told to."""

    device, precision = 'cpu', 'pretended'
    batch_pays = False

    def __init__(self, network_s: float, fixed: ImageSize | None = None) -> None:
        """Take `network_s` for an input of 512 x 1024."""
        self.backend = 'pretended'
        self.taxonomy = load_taxonomy('street')
        self.threshold = 0.0
        self.network_s, self.inputs = network_s, ExportedInput(Preprocessing(), fixed=fixed)
        self.seen: list[ImageSize] = []
        self.sleep = False

    def scale_input(self, scale: InputScale) -> bool:
        self.inputs = replace(self.inputs, scale=scale)
        return self.inputs.fixed is None

    def input_size(self, image_size: ImageSize) -> ImageSize:
        return self.inputs.size(image_size)

    def time_s(self, image_size: ImageSize) -> float:
        height, width = self.input_size(image_size)
        return self.network_s * height * width / 512 / 1024

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        size = (rgb.shape[0], rgb.shape[1])
        self.seen.append(self.input_size(size))
        if self.sleep:
            time.sleep(self.time_s(size))
        values = np.zeros((len(self.taxonomy), 2, 2), np.float32)
        values[list(self.taxonomy.path(self.taxonomy.leaves[0]))] = 1.0
        leaf = np.full(size, self.taxonomy.leaves[0], np.uint8)
        times = {'network': 1e3 * self.time_s(size)}
        nodes = NodeProbabilities(values, size)
        return Segmentation(leaf, leaf, nodes, times, self.input_size(size))

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        for number, rgb in enumerate(rgbs):
            yield number, self.segment(rgb, wanted[number])

    def reduce(self, is_reduced: bool) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""

    def load(self, parameters: NodeParameters) -> Any:
        """Be the node's engine factory."""
        from hiseg_ros.ros.node.engine_loader import LoadedEngine

        return LoadedEngine(self, self.taxonomy, {'model': 'slow', 'device': 'cpu'})


class Run:
    """Frames of cameras through a chooser, in pretended time."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = NodeParameters(**parameters)
        self.time_s = 0.0
        self.rates_hz = {'': 15.0}
        self.told: list[str] = []
        self.chooser = InputChooser(
            lambda: self.parameters, lambda: self.rates_hz, self.told.append, lambda: self.time_s
        )

    def frames(self, engine: SlowEngine, count: int, image: ImageSize = IMAGE) -> ImageSize:
        for _ in range(count):
            for camera in self.rates_hz:
                took_s = engine.time_s(image) + 0.005
                self.time_s += max(took_s, 1 / sum(self.rates_hz.values()))
                one = (camera, image, engine.input_size(image))
                self.chooser.measured(engine, [one], took_s, took_s - 0.005)
        return engine.input_size(image)

    def follow(self, engine: SlowEngine, seconds: float) -> ImageSize:
        """Take images as a node does: each camera's newest at its own rate, at most `max_rate`."""
        end_s, due_s = self.time_s + seconds, dict.fromkeys(self.rates_hz, self.time_s)
        while self.time_s < end_s:
            self.time_s = max(self.time_s, min(due_s.values()))
            camera = min(due_s, key=lambda camera: due_s[camera])
            rate_hz = min(self.rates_hz[camera], self.parameters.max_rate or math.inf)
            took_s = engine.time_s(IMAGE) + 0.005
            due_s[camera] = self.time_s + 1 / rate_hz
            self.time_s += took_s
            one = (camera, IMAGE, engine.input_size(IMAGE))
            self.chooser.measured(engine, [one], took_s, took_s - 0.005)
        return engine.input_size(IMAGE)


class CacheBoundEngine(SlowEngine):
    """Takes half as long again at the largest size as the area says."""

    def time_s(self, image_size: ImageSize) -> float:
        factor = 1.5 if self.input_size(image_size) == IMAGE else 1.0
        return factor * super().time_s(image_size)


def test_the_engine_gets_the_largest_input_that_keeps_up_and_everybody_is_told() -> None:
    run, engine = Run(), SlowEngine(0.08)
    assert run.chooser.facts['network input'] == 'none yet'
    assert run.frames(engine, 30) == (320, 640)
    [said] = run.told
    assert said.startswith('The network input goes from 512 x 1024 to 320 x 640: a frame took 128')
    facts = run.chooser.facts
    assert facts['input height'] == 'auto'
    assert facts['network input'] == '320 x 640'
    assert facts['network input changes'] == '1'
    assert facts['network input changed'].startswith('512 x 1024 to 320 x 640: ')
    assert facts['network load'] == '54 %'
    engine.network_s = 0.02
    assert run.frames(engine, 300) == IMAGE
    assert len(run.told) == 2


@pytest.mark.parametrize('height', [0, 512])
def test_a_fixed_height_is_left_alone(height: int) -> None:
    run, engine = Run(input_height=height), SlowEngine(1.0)
    assert run.frames(engine, 50) == IMAGE
    assert not run.told and run.chooser.facts['network input'] == '512 x 1024'


@pytest.mark.parametrize('backend', ['compile', 'tensorrt'])
def test_a_backend_that_compiles_for_minutes_is_left_alone(backend: str) -> None:
    run, engine = Run(), SlowEngine(1.0)
    engine.backend = backend
    assert run.frames(engine, 50) == IMAGE
    warm_up_sizes(engine, np.zeros((*IMAGE, 3), np.uint8), run.parameters)
    assert not engine.seen


def test_a_size_that_the_file_fixes_is_left_alone() -> None:
    run, engine = Run(), SlowEngine(1.0, fixed=(96, 192))
    assert run.frames(engine, 50) == (96, 192)
    assert not run.told


def test_the_floor_is_respected() -> None:
    run, engine = Run(input_height_min=400), SlowEngine(5.0)
    assert run.frames(engine, 100) == (416, 832)


def test_diagnostics_say_where_the_network_is_not_what_takes_the_time() -> None:
    run, engine = Run(), SlowEngine(0.01)
    for _ in range(60):
        run.time_s += 0.09
        run.chooser.measured(engine, [('', IMAGE, engine.input_size(IMAGE))], 0.09, 0.01)
    assert not run.told and engine.input_size(IMAGE) == IMAGE
    assert run.chooser.facts['network load'] == (
        '135 %, 11 % of it in the network: a still smaller input would save little'
    )


def test_a_target_rate_below_the_cameras_leaves_more_time() -> None:
    run, engine = Run(target_rate=5.0), SlowEngine(0.08)
    assert run.frames(engine, 100) == IMAGE
    run = Run(max_rate=5.0)
    assert run.frames(engine, 100) == IMAGE
    run = Run(target_rate=30.0)  # the camera sends 15
    assert run.frames(engine, 100) == (320, 640)


def test_a_camera_that_joins_makes_the_inputs_smaller_at_once() -> None:
    run, engine = Run(), SlowEngine(0.03)
    assert run.frames(engine, 50) == IMAGE
    run.rates_hz = {'': 15.0, 'rear': 15.0}
    assert min(run.frames(engine, 6)) < 512
    run.rates_hz = {'': 15.0}
    assert run.frames(engine, 300) == IMAGE


@pytest.mark.parametrize('slow_hz', [0.0, 0.1, 0.15, 0.6])
def test_a_slow_camera_beside_a_fast_one_does_not_end_the_waits(slow_hz: float) -> None:
    """Each of its images comes after more than the time for which cameras are watched."""
    run, engine = Run(), CacheBoundEngine(0.04)
    run.rates_hz = {'': 15.0, 'slow': slow_hz} if slow_hz else {'': 15.0}
    run.follow(engine, 300.0)
    assert len(run.told) <= 11, 'at the start, and to and fro after 5, 10, 20, 40 and 80 s'


def test_a_camera_that_comes_back_is_no_new_one() -> None:
    run, engine = Run(), CacheBoundEngine(0.04)
    for _ in range(15):
        run.rates_hz = {'': 15.0, 'rear': 0.5}
        run.follow(engine, 10.0)
        run.rates_hz = {'': 15.0}
        run.follow(engine, 10.0)
    assert len(run.told) <= 11


@pytest.mark.parametrize('limit_hz', [0.05, 0.15, 1.0])
def test_a_lower_max_rate_makes_the_input_larger_however_rare_images_are_then(
    limit_hz: float,
) -> None:
    run, engine = Run(), SlowEngine(0.09)
    assert run.follow(engine, 60.0) == (320, 640)
    run.parameters = replace(run.parameters, max_rate=limit_hz)
    assert run.follow(engine, 10.0 + 10 / limit_hz) == IMAGE
    assert len(run.told) == 2


def test_other_weights_are_measured_anew_from_the_size_in_use() -> None:
    run, engine = Run(), SlowEngine(0.08)
    run.frames(engine, 50)
    light = SlowEngine(0.02)
    assert run.frames(light, 1) == (320, 640)
    assert run.frames(light, 12) == IMAGE
    assert run.frames(SlowEngine(0.5), 8) == (256, 512)


def test_cameras_of_several_sizes_have_one_scale_and_their_own_floors() -> None:
    run, engine = Run(), SlowEngine(1.0)
    for _ in range(40):
        run.frames(engine, 1)
        run.frames(engine, 1, (240, 320))
    assert engine.input_size(IMAGE) == (256, 512)
    assert engine.input_size((240, 320)) == (256, 320), 'that is its usual one'
    for height in range(100, 150):  # as of a camera gone mad
        run.frames(engine, 1, (height, 200))


def test_each_size_is_compiled_when_the_node_is_configured() -> None:
    engine = SlowEngine(0.1)
    warm_up_sizes(engine, np.zeros((*IMAGE, 3), np.uint8), NodeParameters())
    sizes = [(448, 896), (384, 768), (320, 640), (256, 512)]
    assert engine.seen == [size for size in sizes for _ in range(2)]
    assert engine.input_size(IMAGE) == IMAGE
    warm_up_sizes(engine, np.zeros((*IMAGE, 3), np.uint8), NodeParameters(input_height=0))
    assert len(engine.seen) == 8


@pytest.mark.needs('ros')
@pytest.mark.parametrize('rotation', [0, 90])
def test_the_node_follows_a_camera_and_says_so(graph: Graph, rotation: int) -> None:
    """A camera that is mounted turned is upright in all that is said, as for the network."""
    from node_support import image_message, latest, start_drive

    from hiseg_ros.msg import FrameStats

    engine = SlowEngine(2.0)  # 125 ms for images of 128 x 256
    size = upright_size((128, 256), rotation)
    image = np.zeros((*size, 3), np.uint8)
    drive = start_drive(graph, engine, image, input_height_min=32, rotation=[rotation])
    stats = graph.collect(FrameStats, '/segmentation/stats', 200)
    assert image_message(image).height == size[0]
    engine.sleep = True
    timer = graph.peer.create_timer(0.08, drive.publish)
    graph.until(lambda: stats and stats[-1].input_height == 64, 'a smaller input', patience_s=30.0)
    assert stats[0].input_height == 128 and stats[0].input_width == 256
    graph.until(
        lambda: latest(drive.reports)[2].get('network input') == '64 x 128', 'diagnostics say so'
    )
    values = latest(drive.reports)[2]
    assert values['input height'] == 'auto' and values['network input changes'] == '1'
    assert values['network input changed'].startswith('128 x 256 to 64 x 128: a frame took ')
    assert 5.0 < float(values['camera rate [Hz]']) < 14.0
    graph.peer.destroy_timer(timer)
