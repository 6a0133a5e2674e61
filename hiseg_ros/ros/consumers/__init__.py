# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Results in the formats of other projects: label sets, Nav2, vision_msgs, Foxglove, Autoware."""
