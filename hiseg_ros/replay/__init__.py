# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Offline replay of recordings through an engine into a new bag and metrics; needs no ROS."""
