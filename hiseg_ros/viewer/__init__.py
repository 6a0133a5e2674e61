# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A recording with its results in Rerun: images, labels, probabilities, signs, plots."""
