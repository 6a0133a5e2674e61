# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Replays of many recordings: cut into tasks, run on the workers of a Ray cluster, and merged."""
