# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A session of the node, from configure to cleanup: the engine, its threads and the cameras."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hiseg_ros.errors import ConfigError, TaxonomyError
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.node.camera import Camera
from hiseg_ros.ros.node.engine_loader import LoadedEngine, load_warmed_up
from hiseg_ros.ros.node.frame import Frame
from hiseg_ros.ros.node.frame_processor import FrameProcessor
from hiseg_ros.ros.node.frame_slots import FrameSlots
from hiseg_ros.ros.node.input_chooser import InputChooser
from hiseg_ros.ros.node.parameter_store import ParameterStore
from hiseg_ros.ros.node.publish_thread import PublishThread
from hiseg_ros.ros.node.taxonomy_publishers import TaxonomyPublishers
from hiseg_ros.ros.node.thread_errors import OnError
from hiseg_ros.ros.node.worker import Worker
from hiseg_ros.ros.parameters import NodeParameters, rotation_of, sizes_of
from hiseg_ros.rotation import upright_size
from hiseg_ros.types import ImageSize

EngineFactory = Callable[[NodeParameters], LoadedEngine]


class Session:
    """What exists while the node is configured; a new one for each configuration."""

    def __init__(
        self,
        node: Any,
        store: ParameterStore,
        make_engine: EngineFactory,
        on_error: OnError,
    ) -> None:
        """Prepare; `load` does the work.

        Args:
            node: The lifecycle node.
            store: Its parameters.
            make_engine: Makes the engine from the parameters; called in the worker thread.
            on_error: Called with an unexpected exception of a frame, in the thread that failed:
                the worker or the publish thread.
        """
        self._node = node
        self._store = store
        self._make_engine = make_engine
        self._on_error = on_error
        self._slots: FrameSlots[Camera, Frame] = FrameSlots()
        self._publish_thread = PublishThread(on_error)
        self._chooser = InputChooser(
            lambda: store.values,
            lambda: {name: health.arrival_hz for name, health in self.health.items()},
            node.get_logger().info,
        )
        self._processor = FrameProcessor(
            node, store, self._publish_thread, lambda: self._slots.is_waiting, self._chooser
        )
        self._worker = self._new_worker()
        self._cameras: tuple[Camera, ...] = ()
        self._loaded: LoadedEngine | None = None
        self._taxonomy_publishers: TaxonomyPublishers | None = None
        self._inputs_lock = threading.Lock()

    def load(self, parameters: NodeParameters) -> None:
        """Load the weights, create the publishers and start the worker.

        Raises:
            HisegError: Weights, taxonomy, device or a parameter cannot be used; `destroy` is
                still to be called.
        """
        sizes = _upright_sizes(parameters)
        self._loaded = self._worker.load(
            lambda: load_warmed_up(self._make_engine, parameters, sizes)
        )
        taxonomy = self._loaded.taxonomy
        for name in parameters.cameras:
            camera = Camera(
                self._node,
                name,
                parameters,
                taxonomy,
                self._slots,
                lambda: self._store.values.max_rate,
            )
            self._cameras = (*self._cameras, camera)
        self._taxonomy_publishers = TaxonomyPublishers(
            self._node, taxonomy, parameters.cameras, parameters
        )
        self._worker.begin()

    def _new_worker(self) -> Worker[Camera, Frame]:
        return Worker(self._slots, self._processor.process, self._on_error, self._batching)

    def _batching(self, engine: SegmentationEngine) -> tuple[int, float]:
        parameters = self._store.values
        most = parameters.max_batch or (len(self._cameras) if engine.batch_pays else 1)
        return most, parameters.max_batch_wait_ms / 1e3

    @property
    def facts(self) -> Mapping[str, str]:
        """Model, device, taxonomy and topics, as shown in diagnostics."""
        topics = ', '.join(camera.subscriptions.image_topic for camera in self._cameras)
        facts = {} if self._loaded is None else self._loaded.facts
        return {**facts, 'image topic': topics}

    @property
    def input_facts(self) -> Mapping[str, str]:
        """Size of the network's input and how it follows the load, as shown in diagnostics."""
        return self._chooser.facts

    @property
    def health(self) -> Mapping[str, CameraHealth]:
        """The health of each camera by its name."""
        return {camera.name: camera.health for camera in self._cameras}

    def open_inputs(self) -> None:
        """Subscribe to the cameras."""
        with self._inputs_lock:
            self._slots.resume()
            for camera in self._cameras:
                # Where it is open already, a silent camera must not look as if it had just begun.
                if not camera.subscriptions.is_open:
                    camera.health.reset_times()
                    camera.subscriptions.open()

    def close_inputs(self) -> None:
        """Unsubscribe from the cameras and drop the frames that wait.

        The executor may have taken one from a subscription already, and puts it into the slots
        later: they refuse it then.
        """
        with self._inputs_lock:
            for camera in self._cameras:
                camera.subscriptions.close()
                camera.publishers.follow(is_open=False)
            _drop(self._slots.pause())

    def match_publishers(self) -> None:
        """Subscribe as drivers publish and readers need now; called twice a second."""
        with self._inputs_lock:
            for camera in self._cameras:
                camera.subscriptions.match_publishers()
                camera.publishers.follow(camera.subscriptions.is_open)

    def wait_done(self) -> None:
        """Wait until no frame is in work and everything that was segmented is published."""
        self._slots.wait_done()
        self._publish_thread.wait_idle()

    def time_jumped(self) -> None:
        """Drop the frames that wait and forget stamps and rates, since the clock jumped back."""
        _drop(self._slots.clear())
        for camera in self._cameras:
            camera.health.reset_times()
            camera.publishers.forget()

    def load_model(self, model: str) -> None:
        """Load other weights beside those in use, try them out, and swap between two frames.

        Args:
            model: The new value of the parameter `model`.

        Raises:
            HisegError: The weights cannot be used or have another taxonomy; the old ones stay.
        """
        running = self._loaded
        if running is None:
            raise ConfigError(
                'The first weights are not loaded yet; expected a configured node: try later.'
            )
        parameters = dataclasses.replace(self._store.values, model=model)
        seen = {
            upright_size(camera.image_size, rotation_of(parameters, camera.name))
            for camera in self._cameras
            if camera.image_size
        }
        sizes = seen.union(_upright_sizes(parameters))
        new = self._new_worker()
        try:
            loaded = new.load(lambda: load_warmed_up(self._make_engine, parameters, sizes))
            if loaded.taxonomy.digest != running.taxonomy.digest:
                raise TaxonomyError(
                    f'The weights {model} have taxonomy {loaded.taxonomy.name!r} with digest '
                    f'{loaded.taxonomy.digest[:12]}; expected {running.taxonomy.name!r} with '
                    f'digest {running.taxonomy.digest[:12]}: clean up, set parameter model and '
                    'configure, since the topics follow from the taxonomy.'
                )
        except Exception:
            new.stop()
            raise
        self._worker.stop()  # after the frames in work; later ones wait in the slots meanwhile
        self._worker, self._loaded = new, loaded
        new.begin()
        self._store.adopt('model', model)

    def destroy(self, timeout_s: float | None = None) -> bool:
        """Free the engine and take everything out of the graph.

        Args:
            timeout_s: How long to wait for the frames in work; None waits forever.

        Returns:
            False where they took longer; the publishers still exist then, the subscriptions do
            not.
        """
        self.close_inputs()
        _drop(self._slots.close())
        if not self._worker.stop(timeout_s) or not self._publish_thread.close(timeout_s):
            return False
        for camera in self._cameras:
            camera.destroy()
        if self._taxonomy_publishers is not None:
            self._taxonomy_publishers.destroy()
        return True


def _drop(frames: Sequence[tuple[Camera, Frame]]) -> None:
    """Count frames that were waiting and that nobody will work on."""
    for _, frame in frames:
        frame.receipt.dropped('stopped')


def _upright_sizes(parameters: NodeParameters) -> tuple[ImageSize, ...]:
    """Return (H, W) of the images that the network is to see, as far as parameters tell.

    Raises:
        ConfigError: Parameter rotation does not fit the cameras.
    """
    rotations = dict.fromkeys(rotation_of(parameters, camera) for camera in parameters.cameras)
    sizes = sizes_of(parameters)
    return tuple(dict.fromkeys(upright_size(size, r) for r in rotations for size in sizes))
