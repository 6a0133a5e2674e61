# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writes model files: ONNX and torch programs from weights, and int8 by calibration."""
