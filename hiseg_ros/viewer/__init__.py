# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Showing a recording in the Rerun viewer: images, labels, probabilities, signs and plots."""
