# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The engine: images in, labels and probabilities out; it owns weights, backend and device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.errors import ConfigError, DeviceMemoryError, ImageError
from hiseg_ros.images.header import MAX_PIXELS
from hiseg_ros.inference.batch import BatchBackend, segment_batch
from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.inference.open_model import open_backend, shipped_file
from hiseg_ros.inference.plane_decision import FlatDecision
from hiseg_ros.inference.reduced_input import CachingBackend, ReducibleBackend
from hiseg_ros.inference.scaled_input import InputScale, ScalableInput
from hiseg_ros.interfaces import Backend
from hiseg_ros.pipeline import segment
from hiseg_ros.types import EVERYTHING, ImageSize, RgbImage, Segmentation, Wanted

MAX_INPUT_PIXELS = 16_000_000
"""Largest input of the network; a long and narrow image or a large input height may exceed it."""

MAX_ASPECT = 32
"""Largest ratio of the sides of an image with a large network input; that of wide panoramas is 8.
A row of 100,000 pixels would take more than a gigabyte and many seconds."""

MAX_NARROW_PIXELS = 2**18
"""Largest network input of images that are narrower."""


class Engine:
    """A network that is ready to segment images on one device. Used by one thread at a time."""

    def __init__(
        self,
        model_path: Path | str | None = None,
        *,
        device: str = 'auto',
        input_height: int = 0,
        threshold: float = 0.0,
        backend: str = 'auto',
        precision: str = 'float32',
        image_size: ImageSize | None = None,
    ) -> None:
        """Load a network onto a device.

        Args:
            model_path: Weights of `hiseg train` or a .onnx file of `hiseg export`, which needs no
                torch; None for the shipped network, in the kind of file that the backend runs.
            device: 'auto' (CUDA if there is a GPU, else CPU), 'cpu', 'cuda' or 'cuda:N'.
            input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
            threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
            backend: 'eager', 'compile' or 'cuda_graph' for weights, 'onnx_runtime', 'tensorrt' or
                'openvino' for a .onnx file; 'auto' chooses the fastest that is installed, but
                neither 'compile' nor 'tensorrt'. For weights that is 'cuda_graph' on a GPU where
                it is verified to work, else 'eager'.
            precision: Precision of the convolutions: 'float32'; 'bfloat16' or 'int8', which label
                1 to 5 % of the pixels differently with about the same accuracy; 'float16', for
                weights on a GPU; or 'auto', the fastest: int8 for a quantized file and where the
                shipped one is faster, else bfloat16, float16 or float32 by the device.
            image_size: (H, W) of the images to come: backends that prepare for a size do so now
                and not at the first image.

        Raises:
            CheckpointError: The model file cannot be used.
            ConfigError: A number is out of range, or the backend is unknown, not installed, or
                does not support the file, the device or the precision.
            DeviceError: The device does not exist, or has too little memory.
            ImageError: The image size is too large.
        """
        self.model_path = (
            Path(model_path) if model_path else shipped_file(backend, device, precision)
        )
        self.threshold = threshold
        with device_faults(device):
            opened, self._decision, info = open_backend(
                self.model_path,
                backend=backend,
                device=device,
                precision=precision,
                input_height=input_height,
            )
        self._backend: Backend = opened
        self._open = True
        self._ran_out = False
        self.taxonomy = info.taxonomy
        self.info: Mapping[str, Any] = info.card
        self.preprocessing = info.preprocessing
        self.input_height = input_height
        if image_size is not None:
            self.segment(np.zeros((*image_size, 3), np.uint8))

    @property
    def device(self) -> str:
        """Device in use, such as 'cpu' or 'cuda:0'."""
        return self._backend.device

    @property
    def backend(self) -> str:
        """Backend in use, such as 'eager'."""
        return self._backend.name

    @property
    def precision(self) -> str:
        """Precision of the convolutions, such as 'float32'."""
        return self._backend.precision

    @property
    def decides_by_file(self) -> bool:
        """Whether the file of a wrapped flat network says how to decide, in place of the tree."""
        return isinstance(self._decision, FlatDecision)

    @property
    def threshold(self) -> float:
        """Least conditional probability of a child; may be set between images."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            raise ConfigError(
                f'The decision threshold is {value}; expected a number from 0 (always a leaf) '
                'to 1.'
            )
        self._threshold = float(value)

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Segment one image.

        Args:
            rgb: (H, W, 3) uint8 in RGB order, of any size.
            wanted: The results to compute.

        Raises:
            ImageError: The array has another shape or type, no pixels, or too many, is too narrow,
                or the network's input would be too large.
            DeviceMemoryError: The device has too little free memory.
            DeviceError: The device failed.
            RuntimeError: The engine is closed.
        """
        self._check(rgb)
        with self._faults():
            return segment(
                rgb,
                self._backend,
                self._decision,
                threshold=self._threshold,
                wanted=wanted,
            )

    @property
    def batch_pays(self) -> bool:
        """Whether several images at once take less time than one after the other."""
        return isinstance(self._backend, BatchBackend) and self._backend.batch_pays

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        """Segment several images, such as those of several cameras.

        Args:
            rgbs: (H, W, 3) uint8 each, of any sizes.
            wanted: The results to compute for each image.

        Returns:
            Positions of the images and their segmentations, each as soon as it is there; see
            `batch.segment_batch`.

        Raises:
            ImageError: As by `segment`, for any of the images; none is segmented then.
            DeviceMemoryError, DeviceError: As by `segment`, while iterating; results that were
                yielded before are complete.
            RuntimeError: The engine is closed.
        """
        for rgb in rgbs:
            self._check(rgb)
        results = segment_batch(
            rgbs,
            self._backend,
            self._decision,
            threshold=self._threshold,
            wanted=wanted,
        )
        return self._guarded(results)

    def _guarded(
        self, results: Iterator[tuple[int, Segmentation]]
    ) -> Iterator[tuple[int, Segmentation]]:
        with self._faults():
            yield from results

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Translate errors of the device; after one of memory, free the runtime's cache first."""
        if self._ran_out:
            # Not where the error is handled: its traceback keeps references to the memory.
            self._ran_out = False
            if isinstance(self._backend, CachingBackend):
                self._backend.free_cache()
        try:
            with device_faults(self.device):
                yield
        except DeviceMemoryError:
            self._ran_out = True
            raise

    def reduce(self, is_reduced: bool) -> bool:
        """Run the network at three quarters of its input size from now on, or no longer.

        Labels and confidence keep the size of the image.

        Returns:
            False where the input size is fixed, so that nothing changes.
        """
        if not isinstance(self._backend, ReducibleBackend):
            return False
        return self._backend.reduce(is_reduced)

    def scale_input(self, scale: InputScale) -> bool:
        """Run the network at another input size from the next image on.

        Labels and confidence keep the size of the image.

        Returns:
            False where the input size is fixed, so that nothing changes.
        """
        if not isinstance(self._backend, ScalableInput):
            return False
        return self._backend.scale_input(scale)

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size (h, w) for an image size (H, W)."""
        return self._backend.input_size(image_size)

    def _check(self, rgb: RgbImage) -> None:
        """Check an image.

        Raises:
            ImageError: As by `segment`.
            RuntimeError: The engine is closed.
        """
        if not self._open:
            raise RuntimeError('The engine is closed; expected an open one: create a new Engine.')
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ImageError(
                f'The image has shape {rgb.shape} and type {rgb.dtype}; expected '
                '(height, width, 3) uint8 with at least one pixel.'
            )
        if rgb.shape[0] * rgb.shape[1] > MAX_PIXELS:
            raise ImageError(
                f'The image has {rgb.shape[0]} x {rgb.shape[1]} pixels; expected at most '
                f'{MAX_PIXELS} in all.'
            )
        height, width = self._backend.input_size((rgb.shape[0], rgb.shape[1]))
        if height * width > MAX_INPUT_PIXELS:
            raise ImageError(
                f'The image of {rgb.shape[0]} x {rgb.shape[1]} pixels would become a network '
                f'input of {height} x {width}; expected at most {MAX_INPUT_PIXELS} pixels: crop '
                'the image or lower the input height.'
            )
        is_narrow = max(rgb.shape[:2]) > MAX_ASPECT * min(rgb.shape[:2])
        if is_narrow and height * width > MAX_NARROW_PIXELS:
            raise ImageError(
                f'The image has {rgb.shape[0]} x {rgb.shape[1]} pixels; expected the longer side '
                f'to be at most {MAX_ASPECT} times the shorter: crop it, or correct what the '
                'camera driver announces.'
            )

    def close(self) -> None:
        """Free the network's memory; the engine cannot be used afterwards.

        Closing twice does no harm.
        """
        self._open = False
        self._backend.close()
