# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 node and its messages: the only room that imports ROS."""
