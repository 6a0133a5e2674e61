# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Soak test: inject faults and check that every frame is accounted for."""
