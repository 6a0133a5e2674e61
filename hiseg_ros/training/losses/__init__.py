# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Losses over labels of every kind: sets of leaves, boxes, mixtures."""

from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.losses.build import build_loss
from hiseg_ros.training.losses.set_loss import SMALLEST_PROBABILITY, SetLoss, set_nll

__all__ = ['SMALLEST_PROBABILITY', 'LossConfig', 'SetLoss', 'build_loss', 'set_nll']
