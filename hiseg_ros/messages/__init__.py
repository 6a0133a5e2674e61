# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Building and decoding the messages of this package, with the classes of rclpy or of rosbags."""
