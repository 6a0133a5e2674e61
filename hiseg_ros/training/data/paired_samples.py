# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches of source images followed by target images; the source is as without the target."""

from __future__ import annotations

from torch.utils.data import Dataset

from hiseg_ros.training.data.mixing import MixedSamples, TrainingItem


class PairedSamples(Dataset[TrainingItem]):
    """The samples of an epoch: in each batch those of the sources, then those of the target."""

    def __init__(self, sources: MixedSamples, target: MixedSamples, target_index: int) -> None:
        """Join two plans of one epoch.

        Args:
            sources: The datasets; their samples are the same without a target.
            target: The target alone.
            target_index: Stands for the target in the place of a dataset's index.
        """
        self._sources, self._target = sources, target
        self._target_index = target_index

    @property
    def batch_size(self) -> int:
        """Images in a batch of this epoch."""
        return self._sources.batch_size + self._target.batch_size

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._sources) + len(self._target)

    def __getitem__(self, index: int) -> TrainingItem:
        """Return an augmented sample, which depends only on seed, epoch and index.

        Raises:
            DatasetError: An image that is not kept in memory cannot be read.
        """
        batch, slot = divmod(index, self.batch_size)
        before = self._sources.batch_size
        if slot < before:
            return self._sources[batch * before + slot]
        image, labels, _ = self._target[batch * self._target.batch_size + slot - before]
        return image, labels, self._target_index
