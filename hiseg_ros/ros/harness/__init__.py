# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Processes of a private ROS graph: player, node and recorder."""
