# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options of a replay as plain values: the same for one bag and for many on other machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros import __version__
from hiseg_ros.bags.cameras import Camera, CameraChoice, choose_from
from hiseg_ros.bags.pairing import Pairing
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.replay.fingerprint import file_digest, folder_digest, recording_facts
from hiseg_ros.replay.frame_run import ReplayPlan
from hiseg_ros.replay.mapping_facts import mapping_facts
from hiseg_ros.replay.truth import TruthFolder, TruthTopic
from hiseg_ros.taxonomy import Mapping, load_mapping

if TYPE_CHECKING:
    from hiseg_ros.postprocessing.crf import DenseCrf


@dataclass(frozen=True)
class ReplayOrder:
    """What is asked of a replay, but for its recordings and its output folder."""

    model: Path | None = None
    """Model file, None for the shipped network."""
    device: str = 'auto'
    backend: str = 'auto'
    precision: str = 'auto'
    topics: tuple[str, ...] = ()
    """Image topics of the cameras, empty for all cameras."""
    ground_truth: str | None = None
    """Topic with label ids."""
    labels: Path | None = None
    """Folder with PNG files of label ids."""
    mapping: str | None = None
    """Label set of the ground truth."""
    omit: tuple[str, ...] = ()
    bit_depth: int | None = None
    crf: CrfParameters | None = None

    def engine(self) -> Engine:
        """Load the network.

        Raises:
            HisegError: See `Engine`.
        """
        return Engine(
            self.model, device=self.device, backend=self.backend, precision=self.precision
        )

    def choice(self, recordings: Sequence[Recording]) -> CameraChoice:
        """Choose the cameras of recordings.

        Raises:
            BagError: There is none, or a topic that was asked for is missing.
            ConfigError: There are several cameras and one ground truth.
        """
        choice = choose_from(recordings, self.topics, self.ground_truth)
        if len(choice.cameras) > 1 and self.mapping:
            names = ', '.join(camera.topic for camera in choice.cameras)
            raise ConfigError(
                f'There are several cameras ({names}) and one ground truth; expected one camera: '
                'choose the one it belongs to with --topic.'
            )
        return choice


class OpenedOrder:
    """An order with its network, label set and CRF loaded: one for all recordings."""

    def __init__(self, order: ReplayOrder, engine: Engine) -> None:
        """Load what belongs to the network.

        Raises:
            HisegError: The mapping does not fit, or the network decides by its file.
        """
        self.order, self.engine = order, engine
        self.mapping: Mapping | None = None
        if order.mapping:
            self.mapping = load_mapping(order.mapping, engine.taxonomy)
        self.crf: DenseCrf | None = None
        if order.crf is not None:
            from hiseg_ros.postprocessing.crf import (
                crf_of_network,
            )  # compiles: only where it is needed

            self.crf = crf_of_network(engine, order.crf)
        self._facts: dict[str, Any] | None = None

    def common_facts(self) -> dict[str, Any]:
        """Return what determines the results of every recording: weights, device and options."""
        if self._facts is None:
            order, engine, model = self.order, self.engine, self.engine.model_path
            self._facts = {
                'weights': {
                    'file': model.name,
                    'sha256': file_digest(model),
                    'name': str(engine.info.get('name', model.stem)),
                },
                'device': engine.device,
                'backend': engine.backend,
                'precision': engine.precision,
                'ground_truth': order.ground_truth,
                'labels_sha256': folder_digest(order.labels) if order.labels else None,
                'mapping': None if self.mapping is None else mapping_facts(self.mapping),
                'omit': sorted(set(order.omit)),
                **({'bit_depth': order.bit_depth} if order.bit_depth else {}),
                **({} if self.crf is None else {'crf': asdict(self.crf.parameters)}),
            }
        return self._facts

    def facts(
        self,
        recordings: Sequence[Recording],
        cameras: Sequence[Camera],
        files: Sequence[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Return what determines a result: recordings, weights and options, no path and no time.

        Args:
            recordings: The recordings.
            cameras: The cameras that are replayed.
            files: What `recording_facts` gave for them before; None reads the files.
        """
        return {
            'hiseg_ros': __version__,
            'recordings': list(files) if files else [recording_facts(r) for r in recordings],
            'topics': [camera.topic for camera in cameras],
            **self.common_facts(),
        }

    def plan(
        self,
        recordings: Sequence[Recording],
        cameras: Sequence[Camera],
        facts: dict[str, Any],
        pairing: Pairing | None = None,
    ) -> ReplayPlan:
        """Return the plan of a replay; ground truth is opened.

        Args:
            recordings: The recordings.
            cameras: The cameras that are replayed.
            facts: Those of `facts`.
            pairing: Images and ground truth as paired before.

        Raises:
            HisegError: There is no such ground truth.
        """
        order = self.order
        truth: TruthTopic | TruthFolder | None = None
        if order.ground_truth:
            truth = TruthTopic(recordings, order.ground_truth, cameras[0].topic, pairing)
        elif order.labels:
            truth = TruthFolder(order.labels, sum(camera.count for camera in cameras))
        return ReplayPlan(
            recordings,
            cameras,
            truth,
            self.mapping,
            frozenset(order.omit),
            order.bit_depth,
            refine=None if self.crf is None else self.crf.refine,
            facts=facts,
        )
