# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recorded bags: reading, writing, videos, images and metrics from them; needs no ROS."""
