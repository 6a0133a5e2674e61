# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The canvas of a drawn scene: camera, pen, textures, light, and the finished scene."""
