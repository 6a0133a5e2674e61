# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Building and decoding the messages of this package, with classes of rclpy or rosbags."""
