# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Wrapping a flat network of another project as a model of this package."""
