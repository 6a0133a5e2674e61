# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Datasets in the folders in which their publishers ship them, and drawn scenes."""

from hiseg_ros.datasets.opening import mapping_of, open_dataset
from hiseg_ros.datasets.registry import DATASETS, DatasetEntry, dataset_entry

__all__ = ['DATASETS', 'DatasetEntry', 'dataset_entry', 'mapping_of', 'open_dataset']
