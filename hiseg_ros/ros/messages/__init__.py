# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The ROS messages that the node publishes, and the serialisation of large ones."""
