# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label images for the eye: colours, overlays on the camera image, legends; no torch."""

from hiseg_ros.visualization.colorize import colorize
from hiseg_ros.visualization.legend import legend, with_legend
from hiseg_ros.visualization.overlay import overlay

__all__ = ['colorize', 'legend', 'overlay', 'with_legend']
