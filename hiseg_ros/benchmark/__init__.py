# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Latency, memory and agreement with the reference, by backend and input size."""
