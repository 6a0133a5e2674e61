# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The folder of an adaptation: each finished part is kept, so that a killed one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.adapt.checks import Answer, HeldFrame
from hiseg_ros.adapt.frames import Choice, ChosenFrame, read_frames
from hiseg_ros.errors import CheckpointError, ConfigError, ImageError
from hiseg_ros.images import read_image, write_image
from hiseg_ros.output_files import output_folder
from hiseg_ros.retrieval.sources import Source
from hiseg_ros.training.data.target_images import Digest, digest_of
from hiseg_ros.training.run.checkpoint_files import replace_file
from hiseg_ros.types import ImageSize, LabelImage, RgbImage

SETTINGS = 'settings.json'
FRAMES = 'frames.json'

JPEG_QUALITY = 95

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]


class WorkFolder:
    """The parts of one adaptation on disk."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Make the folder, or find that of an adaptation with the same settings.

        Args:
            path: The folder.
            settings: What decides about the result, as plain values.

        Raises:
            CheckpointError: The folder cannot be written.
            ConfigError: It holds an adaptation with other settings, or it is no folder.
        """
        self.path = output_folder(path)
        known = self._read(SETTINGS)
        if known is None:
            self.write(SETTINGS, settings)
            return
        changed = [
            f'{key}: {known.get(key)!r} -> {settings.get(key)!r}'
            for key in sorted({*known, *settings})
            if known.get(key) != settings.get(key)
        ]
        if changed:
            raise ConfigError(
                f'{path} holds an adaptation with other settings ({"; ".join(changed)[:300]}); '
                'expected the same ones to go on with it: remove the folder, or name another '
                '--output.'
            )

    @property
    def target(self) -> Path:
        """Folder of the labelled frames to learn from, with images/ and labels/."""
        return self.path / 'target'

    @property
    def mapping(self) -> Path:
        """Mapping of their labels."""
        return self.path / 'tree_nodes.yaml'

    @property
    def run(self) -> Path:
        """Folder of the training run."""
        return self.path / 'run'

    def once(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a part: that on disk, or a new one, which is written when it is complete.

        Raises:
            CheckpointError: The file cannot be written.
        """
        found = self._read(name)
        if found is None:
            found = compute()
            self.write(name, found)
        return found

    def write(self, name: str, values: dict[str, Any]) -> None:
        """Write a part atomically.

        Raises:
            CheckpointError: The file cannot be written.
        """
        text = json.dumps(values, indent=1) + '\n'
        replace_file(self.path / name, lambda partial: partial.write_text(text))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return None  # not there, or cut short by a power cut: computed again
        return found if isinstance(found, dict) else None

    def keep_frames(
        self,
        sources: Sequence[Source],
        choose: Callable[[], Choice],
        check: Callable[[Set[Digest]], object] = lambda digests: None,
    ) -> dict[str, Any]:
        """Return which frames were chosen, after their images have been written once.

        Args:
            sources: What they are read from.
            choose: Called where that has not been done.
            check: Called then with `digest_of` the frames to learn from, as they were read; what
                it raises ends the choice.

        Raises:
            CheckpointError: The folder cannot be written.
            HisegError: Of `choose` or `check`.
        """
        return self.once(FRAMES, lambda: self._written_frames(sources, choose(), check))

    def _written_frames(
        self,
        sources: Sequence[Source],
        choice: Choice,
        check: Callable[[Set[Digest]], object],
    ) -> dict[str, Any]:
        digests = set[Digest]()
        for number, (_, rgb) in enumerate(read_frames(sources, choice.learnt)):
            digests.add(digest_of(rgb))
            self._write_image(self.path / 'frames' / f'{number:05d}.jpg', rgb)
        check(digests)
        following = {
            (frame.source, frame.number + 1)
            for frame in choice.held_back
            if frame.time_ns is not None
        }
        after = [ChosenFrame(place, number, '', None) for place, number in sorted(following)]
        held, names = list[dict[str, str]](), dict[tuple[int, int], str]()
        for number, (frame, rgb) in enumerate(read_frames(sources, choice.held_back)):
            file = f'{number:03d}'
            self._write_image(self._held(file), rgb)
            held.append({'file': file, 'name': frame.name})
            names[frame.source, frame.number + 1] = file
        for frame, rgb in read_frames(sources, after):
            self._write_image(self._held(f'{names[frame.source, frame.number]}_next'), rgb)
        return {
            'learnt': len(choice.learnt),
            'held_back': held,
            'looked_at': choice.looked_at,
            'notes': choice.notes,
        }

    def frames(self) -> list[Path]:
        """Return the frames to learn from, in the order of time."""
        return sorted((self.path / 'frames').glob('*.jpg'))

    def write_labels(self, frame: Path, labels: LabelImage, size: ImageSize | None = None) -> None:
        """Put a frame and its labels among those that are learnt from.

        Args:
            frame: One of `frames`.
            labels: (H, W) node ids.
            size: (height, width) that both get; None for that of the frame.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        content = frame.read_bytes()
        if size is not None and size != labels.shape:
            content = _as_jpeg(_resized(self.read_image(frame), size))
            labels = _resized_labels(labels, size)
        # The labels come first: an image without any would be refused.
        self._write_image(self.target / 'labels' / f'{frame.stem}.png', labels)
        image = self.target / 'images' / frame.name
        replace_file(image, lambda partial: partial.write_bytes(content))

    def is_labelled(self, frame: Path) -> bool:
        """Return whether a frame is among those that are learnt from."""
        return (self.target / 'images' / frame.name).is_file()

    def _held(self, name: str) -> Path:
        return self.path / 'held_back' / f'{name}.jpg'

    def held_frames(self, frames: dict[str, Any]) -> list[HeldFrame]:
        """Return the held-back frames with their images.

        Raises:
            CheckpointError: One is missing or damaged.
        """
        found = []
        for one in frames['held_back']:
            rgb = self.read_image(self._held(one['file']))
            path = self._held(f'{one["file"]}_next')
            following = self.read_image(path) if path.is_file() else None
            if following is not None and following.shape != rgb.shape:
                following = None
            found.append(HeldFrame(one['name'], rgb, following))
        return found

    def keep_answers(self, name: str, answers: Sequence[Answer]) -> None:
        """Write what a network says about the held-back frames.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        for number, answer in enumerate(answers):
            for part, values in (('labels', answer.labels), ('confidence', answer.confidence)):
                self._write_image(self.path / name / f'{number:03d}_{part}.png', values)

    def answers(self, name: str, count: int) -> list[Answer]:
        """Return what `keep_answers` wrote.

        Raises:
            CheckpointError: A file is missing or damaged.
        """
        folder = self.path / name
        return [
            Answer(
                self._read_grey(folder / f'{number:03d}_labels.png'),
                self._read_grey(folder / f'{number:03d}_confidence.png'),
            )
            for number in range(count)
        ]

    def _write_image(self, path: Path, image: NDArray[np.uint8]) -> None:
        options = _JPEG if path.suffix == '.jpg' else []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, image, options)
        except (OSError, ImageError) as problem:
            raise CheckpointError(
                f'{path} cannot be written ({problem}); expected a folder with free space and the '
                'right to write: make room and start the same command again.'
            ) from problem

    def read_image(self, path: Path) -> RgbImage:
        """Return an image of the folder.

        Raises:
            CheckpointError: It is missing or damaged.
        """
        try:
            return read_image(path)
        except ImageError as problem:
            raise self._damaged(path) from problem

    def _read_grey(self, path: Path) -> NDArray[np.uint8]:
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if found is None or found.ndim != 2:
            raise self._damaged(path)
        return np.asarray(found, np.uint8)

    def _damaged(self, path: Path) -> CheckpointError:
        return CheckpointError(
            f'{path} is missing or damaged; expected what an earlier start wrote: remove the '
            f'folder {self.path} and start again.'
        )


def _resized(rgb: RgbImage, size: ImageSize) -> RgbImage:
    """Return an image at another (height, width)."""
    method = cv2.INTER_AREA if size[0] < rgb.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (size[1], size[0]), interpolation=method), np.uint8)


def _resized_labels(labels: LabelImage, size: ImageSize) -> LabelImage:
    found = cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(found, np.uint8)


def _as_jpeg(rgb: RgbImage) -> bytes:
    _, data = cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _JPEG)
    return data.tobytes()
