# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawing label images: colours, overlays on the camera image, names and legends; no torch."""

from hiseg_ros.visualization.colorize import colorize
from hiseg_ros.visualization.legend import legend, legend_strip, with_legend
from hiseg_ros.visualization.names import PlacedName, draw_names, place_names
from hiseg_ros.visualization.overlay import overlay
from hiseg_ros.visualization.scale import to_height

__all__ = [
    'PlacedName', 'colorize', 'draw_names', 'legend', 'legend_strip', 'overlay', 'place_names',
    'to_height', 'with_legend',
]  # fmt: skip
