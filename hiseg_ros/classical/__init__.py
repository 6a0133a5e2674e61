# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Segmentation before deep networks: baselines with files of their own; never in the node."""
