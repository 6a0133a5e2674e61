# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recorded bags: reading, writing, videos, images and figures from them; needs no ROS."""
