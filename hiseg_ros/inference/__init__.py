# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Runs networks: weights or exported files, on a device, in a precision, behind one class."""
