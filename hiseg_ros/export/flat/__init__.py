# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Wraps a flat network of another project as an engine file of this package."""
