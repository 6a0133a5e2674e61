# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Node probabilities on the network's grid to labels at camera resolution."""

from hiseg_ros.decision.dense import decide, interpolate

__all__ = ['decide', 'interpolate']
