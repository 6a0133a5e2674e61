# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Data sets in the folders in which their publishers ship them, and drawn scenes."""
