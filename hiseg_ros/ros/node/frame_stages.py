# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a received frame becomes in the worker thread: a decoded frame, then a segmented one."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from sensor_msgs.msg import CameraInfo

from hiseg_ros.images.image_message import rgb_of
from hiseg_ros.inference.memory_relief import Request, Result
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.ros.node.camera import Camera
from hiseg_ros.ros.node.frame import Frame
from hiseg_ros.ros.node.publishers import needed_results
from hiseg_ros.ros.parameters import NodeParameters, rotation_of
from hiseg_ros.rotation import turned_back, upright, upright_size
from hiseg_ros.types import ImageSize, RgbImage


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame as an array, with what is to be made of it."""

    camera: Camera
    received: Frame
    wanted: frozenset[str]
    """Topics that somebody subscribes to."""
    parameters: NodeParameters
    """The snapshot for this frame."""
    rgb: RgbImage
    """(H, W, 3) uint8."""
    taken_s: float
    """Start of the work on it, by `time.perf_counter`."""
    decoded_s: float
    rotation: int = 0
    """Clockwise degrees by which the camera is mounted."""
    camera_info: CameraInfo | None = None
    """The camera's newest one when the frame was decoded."""

    @property
    def request(self) -> Request:
        """What the engine is asked for."""
        return Request(
            upright(self.rgb, self.rotation), needed_results(self.wanted, self.parameters)
        )


@dataclass(frozen=True, eq=False)
class SegmentedFrame:
    """A frame with its labels, to be published."""

    decoded: DecodedFrame
    result: Result
    device: str
    """Where the network ran, such as 'cuda:0'."""
    backend: str
    """Such as 'eager'."""

    @property
    def image_size(self) -> ImageSize:
        """(H, W) of the camera image."""
        return (self.decoded.rgb.shape[0], self.decoded.rgb.shape[1])

    @property
    def upright_size(self) -> ImageSize:
        """(H, W) of the image that the engine saw."""
        return upright_size(self.image_size, self.decoded.rotation)

    @property
    def input_size(self) -> ImageSize:
        """(h, w) of the network's input."""
        return self.result.segmentation.input_size

    @property
    def network_s(self) -> float:
        """The frame's share of the time in the network, in seconds."""
        timings_ms = self.result.segmentation.timings_ms
        return timings_ms.get('network', 0.0) / self.result.batch_size / 1e3

    @property
    def product(self) -> Product:
        """What its messages are built from."""
        decoded = self.decoded
        return Product(
            decoded.received.header,
            decoded.rgb,
            turned_back(self.result.segmentation, decoded.rotation),
            decoded.parameters,
            # The first one of a camera may come while its first frame is in work; the decoded one
            # is that of a frame in work while the inputs closed and opened.
            decoded.camera.subscriptions.camera_info or decoded.camera_info,
        )


def decode(
    camera: Camera, frame: Frame, wanted: frozenset[str], parameters: NodeParameters
) -> DecodedFrame:
    """Decode a frame's image message and note its size for the camera.

    Raises:
        ImageError: The message cannot be read as an image.
    """
    taken_s, camera_info = perf_counter(), camera.subscriptions.camera_info
    rgb = rgb_of(frame.message, camera.bit_depth)
    camera.bit_depth.say()
    camera.image_size = (rgb.shape[0], rgb.shape[1])
    rotation = rotation_of(parameters, camera.name) if any(parameters.rotation) else 0
    return DecodedFrame(
        camera,
        frame,
        wanted,
        parameters,
        rgb,
        taken_s,
        decoded_s=perf_counter(),
        rotation=rotation,
        camera_info=camera_info,
    )
