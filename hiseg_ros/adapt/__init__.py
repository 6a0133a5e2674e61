# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of weights to recordings without labels: `hiseg adapt`."""
