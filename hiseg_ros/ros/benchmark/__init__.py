# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Latency and frame rate of the node in a ROS graph."""
