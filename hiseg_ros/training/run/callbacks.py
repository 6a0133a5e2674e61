# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lightning callbacks: run folder, speed and memory, progress bar, checkpoints, overlays."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.run.run_folder import device_name, merge_metrics, record_start
from hiseg_ros.visualization.overlay import overlay

WINDOW = 20
"""Steps over which the shown speed is averaged."""

SHOWN_IMAGES = 4
"""Number of validation images whose overlays are written to TensorBoard."""


class RunFolderWriter(Callback):
    """Writes the files of the run folder, in the first process only."""

    def __init__(self, run_dir: Path, config: TrainingConfig, first_step: int) -> None:
        """Take what is written later.

        Args:
            run_dir: The folder.
            config: Settings of the run.
            first_step: Steps that were done before this start.
        """
        self.first_step = first_step
        self.run_dir = run_dir
        self.config = config

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write configuration and environment, after every process has checked the folder."""
        if trainer.is_global_zero:
            started = {'first_step': self.first_step, 'precision': trainer.precision}
            record_start(self.run_dir, self.config, started, trainer.world_size)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Update the table of metrics."""
        if trainer.is_global_zero:
            merge_metrics(self.run_dir)


class Speed(Callback):
    """Measures images per second and memory, over all parts of a run."""

    def __init__(self) -> None:
        """Start at zero."""
        self.images = 0
        self.training_seconds = 0.0
        self.other_seconds = 0.0
        self.peak_memory_mib = 0
        self._mark = time.perf_counter()
        self._window: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    @property
    def images_per_second(self) -> float:
        """Return the speed over the last steps, all processes together; 0 before the first."""
        seconds = sum(item[0] for item in self._window)
        return sum(item[1] for item in self._window) / seconds if seconds else 0.0

    @property
    def seconds_per_batch(self) -> float:
        """Return the time of a batch over the last steps; 0 before the first."""
        return sum(item[0] for item in self._window) / max(1, len(self._window))

    def _lap(self) -> float:
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        return seconds

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        self._mark = time.perf_counter()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Exclude the time between two epochs, such as that of writing a checkpoint."""
        self.other_seconds += self._lap()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count a batch with the time since the last one, loading included."""
        seconds, images = self._lap(), len(batch[0]) * trainer.world_size
        self._window.append((seconds, images))
        self.training_seconds += seconds
        self.images += images
        self.peak_memory_mib = max(self.peak_memory_mib, _peak_memory_mib(pl_module.device))
        pl_module.log('images_per_s', self.images_per_second, prog_bar=True)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Exclude the time of the validation."""
        self.other_seconds += self._lap()

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, for a run that resumes."""
        return {
            'images': self.images,
            'training_seconds': self.training_seconds,
            'other_seconds': self.other_seconds,
            'peak_memory_mib': self.peak_memory_mib,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counts."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def card(self) -> dict[str, Any]:
        """Return measured speed, memory and time of the run, for the model card."""
        return {
            'images_per_s': round(self.images / max(self.training_seconds, 1e-9), 2),
            'peak_memory_mib': self.peak_memory_mib,
            'hours': round((self.training_seconds + self.other_seconds) / 3600, 2),
            'device': device_name(),
        }


def _peak_memory_mib(device: torch.device) -> int:
    """Return the peak memory of tensors on a GPU, or of the process on a CPU."""
    if device.type == 'cuda':
        return int(torch.cuda.max_memory_allocated(device) >> 20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == 'darwin' else 10)  # bytes there, KiB here


class RunProgressBar(TQDMProgressBar):
    """Lightning's progress bar of an epoch, with the remaining time of the whole run."""

    def __init__(self, speed: Speed, batches: int) -> None:
        """Take the measurements and the number of batches in the run."""
        # In a log file every refresh is a line.
        super().__init__(refresh_rate=1 if sys.stderr.isatty() else 50)
        self._speed = speed
        self._batches = batches

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the values shown behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop('v_num', None)
        done = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        seconds = self._speed.seconds_per_batch * max(0, self._batches - done)
        if seconds:
            metrics['left'] = str(timedelta(seconds=round(seconds)))
        return metrics


class TimedCheckpoint(ModelCheckpoint):
    """Checkpoint that is never written between the batches of one optimiser step.

    Accumulated gradients are not part of a checkpoint, so a resumed run would lack them.
    """

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write a checkpoint if it is due and the step is complete."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class ValidationOverlays(Callback):
    """Writes overlays of a few validation images to TensorBoard."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Take the taxonomy, which has the colours."""
        self.taxonomy = taxonomy

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write one overlay; `outputs` has the `image` and its predicted `labels`."""
        board = next((x for x in trainer.loggers if isinstance(x, TensorBoardLogger)), None)
        if board is None or batch_idx >= SHOWN_IMAGES or not trainer.is_global_zero:
            return
        image = overlay(outputs['image'], outputs['labels'], self.taxonomy)
        board.experiment.add_image(
            f'validation/{batch_idx}', image, trainer.global_step, dataformats='HWC'
        )
