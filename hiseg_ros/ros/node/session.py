# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What exists while the node is configured: the worker with its engine, and the cameras."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

from hiseg_ros.errors import ConfigError, TaxonomyError
from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.node.camera import Camera, drop
from hiseg_ros.ros.node.engine_loader import LoadedEngine, SegmentationEngine, load_warmed_up
from hiseg_ros.ros.node.frame_processor import FrameProcessor
from hiseg_ros.ros.node.frame_slots import FrameSlots
from hiseg_ros.ros.node.parameter_store import ParameterStore
from hiseg_ros.ros.node.subscriptions import Frame
from hiseg_ros.ros.node.taxonomy_publishers import TaxonomyPublishers
from hiseg_ros.ros.node.worker import Worker
from hiseg_ros.ros.parameters import NodeParameters, sizes_of

EngineFactory = Callable[[NodeParameters], LoadedEngine]


class Session:
    """One configuration of the node, from loading the weights to freeing them."""

    def __init__(
        self,
        node: Any,
        store: ParameterStore,
        make_engine: EngineFactory,
        crashed: Callable[[Exception], None],
    ) -> None:
        """Prepare; `load` does the work.

        Args:
            node: The lifecycle node.
            store: Its parameters.
            make_engine: Makes the engine from the parameters; called in the worker's thread.
            crashed: Told, in the thread that it is in, of an unforeseen fault with frames.
        """
        self._node = node
        self._store = store
        self._make_engine = make_engine
        self._crashed = crashed
        self._slots: FrameSlots[Camera, Frame] = FrameSlots()
        self._processor = FrameProcessor(node, store, crashed, lambda: self._slots.is_waiting)
        self._worker = self._new_worker()
        self._cameras: tuple[Camera, ...] = ()
        self._loaded: LoadedEngine | None = None
        self._taxonomy_publishers: TaxonomyPublishers | None = None
        self._inputs_lock = threading.Lock()

    def load(self, parameters: NodeParameters) -> None:
        """Load the weights, create the publishers and let the worker begin.

        Raises:
            HisegError: Weights, taxonomy, device or a parameter cannot be used; `destroy` is
                still to be called.
        """
        sizes = sizes_of(parameters)
        self._loaded = self._worker.load(
            lambda: load_warmed_up(self._make_engine, parameters, sizes)
        )
        taxonomy = self._loaded.taxonomy
        for name in parameters.cameras:
            camera = Camera(self._node, name, parameters, taxonomy, self._slots)
            self._cameras = (*self._cameras, camera)
        self._taxonomy_publishers = TaxonomyPublishers(
            self._node, taxonomy, parameters.cameras, parameters
        )
        self._worker.begin()

    def _new_worker(self) -> Worker[Camera, Frame]:
        return Worker(self._slots, self._processor.process, self._crashed, self._batching)

    def _batching(self, engine: SegmentationEngine) -> tuple[int, float]:
        parameters = self._store.values
        most = parameters.max_batch or (len(self._cameras) if engine.batch_pays else 1)
        return most, parameters.max_batch_wait_ms / 1e3

    @property
    def facts(self) -> Mapping[str, str]:
        """What diagnostics tell of model, device, taxonomy and topics."""
        topics = ', '.join(camera.subscriptions.image_topic for camera in self._cameras)
        facts = {} if self._loaded is None else self._loaded.facts
        return {**facts, 'image topic': topics}

    @property
    def health(self) -> Mapping[str, CameraHealth]:
        """The health of each camera by its name."""
        return {camera.name: camera.health for camera in self._cameras}

    def open_inputs(self) -> None:
        """Subscribe to the cameras."""
        with self._inputs_lock:
            for camera in self._cameras:
                camera.health.reset_times()
                camera.subscriptions.open()

    def close_inputs(self) -> None:
        """Unsubscribe from the cameras and drop the frames that wait."""
        with self._inputs_lock:
            for camera in self._cameras:
                camera.subscriptions.close()
        drop(self._slots.clear())

    def match_publishers(self) -> None:
        """Subscribe to each camera as its driver publishes by now."""
        with self._inputs_lock:
            for camera in self._cameras:
                camera.subscriptions.match_publishers()

    def wait_done(self) -> None:
        """Wait until no frame is in work, and what was segmented is published."""
        self._slots.wait_done()
        self._processor.wait_idle()

    def time_jumped(self) -> None:
        """Drop the frames that wait, and compare with no earlier stamp."""
        drop(self._slots.clear())
        for camera in self._cameras:
            camera.health.reset_times()

    def load_model(self, model: str) -> None:
        """Load other weights beside those in use, try them out, and swap between two frames.

        Args:
            model: As the parameter of that name, which then has this value.

        Raises:
            HisegError: They cannot be used, or have another taxonomy; the old ones stay.
        """
        running = self._loaded
        if running is None:
            raise ConfigError(
                'The first weights are not loaded yet; expected a configured node: try later.'
            )
        parameters = dataclasses.replace(self._store.values, model=model)
        seen = {camera.image_size for camera in self._cameras if camera.image_size}
        sizes = seen.union(sizes_of(parameters))
        new = self._new_worker()
        try:
            loaded = new.load(lambda: load_warmed_up(self._make_engine, parameters, sizes))
            if loaded.taxonomy.digest != running.taxonomy.digest:
                raise TaxonomyError(
                    f'The weights {model} have taxonomy {loaded.taxonomy.name!r} with digest '
                    f'{loaded.taxonomy.digest[:12]}; expected {running.taxonomy.name!r} with '
                    f'digest {running.taxonomy.digest[:12]}: clean up, set parameter model and '
                    'configure, since other outputs go with it.'
                )
        except Exception:
            new.stop()
            raise
        self._worker.stop()  # after the frames in work; those that came since wait in the slots
        self._worker, self._loaded = new, loaded
        new.begin()
        self._store.adopt('model', model)

    def destroy(self, timeout_s: float | None = None) -> bool:
        """Free the engine and take everything out of the graph.

        Args:
            timeout_s: How long to wait for the frames in work; None waits for ever.

        Returns:
            False where they took longer; publishers are still there then, subscriptions are not.
        """
        self.close_inputs()
        drop(self._slots.close())
        if not self._worker.stop(timeout_s) or not self._processor.close(timeout_s):
            return False
        for camera in self._cameras:
            camera.destroy()
        if self._taxonomy_publishers is not None:
            self._taxonomy_publishers.destroy()
        return True
