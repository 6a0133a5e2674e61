# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Starts player, node, recorder and cameras as processes of a private ROS graph."""
