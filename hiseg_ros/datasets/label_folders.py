# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folders in which published datasets keep labels, by name: what reads images alone skips them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePath

from hiseg_ros.datasets.layout import Layout, read_layout
from hiseg_ros.resources import config_path

OTHER_FOLDERS = frozenset(
    'annotations gt gtfine gtcoarse label labels masks panoptic semantic'.split()
)
"""Folders, in lower case, of datasets without a layout, and usual names."""

RENDERINGS = frozenset(
    'classsegmentation color_labels colormaps instance instances instancesegmentation '
    'segmentationobject semantic_rgb ss_color'.split()
)
"""Folders, in lower case, that published datasets have beside those of their labels: the same in
colours, or instances."""

_VERSION = re.compile(r'v?[\d.]+')


def is_in_label_folder(name: PurePath) -> bool:
    """Return whether a file is in a folder of labels.

    Args:
        name: Its path below the folder that is read.

    Raises:
        ConfigError: A layout in config/layouts cannot be read.
    """
    folders = [part.lower() for part in name.parts[:-1]]
    return any(fnmatchcase(one, pattern) for one in folders for pattern in label_folders())


@cache
def label_folders() -> frozenset[str]:
    """Return the names of folders of labels, in lower case; a * stands for any text.

    Raises:
        ConfigError: A layout in config/layouts cannot be read.
    """
    paths = sorted(config_path('layouts').glob('*.yaml'))
    of_layouts = {name for path in paths for name in folders_of(read_layout(str(path)))}
    return frozenset(OTHER_FOLDERS | RENDERINGS | of_layouts)


def folders_of(layout: Layout) -> set[str]:
    """Return the folders that hold labels of a layout and no images, as `label_folders` does."""
    found = set[str]()
    for place in layout.places:
        of_images = {part for pattern in place.images for part in _folders(pattern)}
        found |= set(_folders(place.labels)) - of_images
    # A version, such as that above all labels of Vistas, may as well be one of a recording.
    return {one for one in found if one.strip('*') and not _VERSION.fullmatch(one)}


def _folders(pattern: str) -> list[str]:
    """Return the folders of a pattern, in lower case; a split is any text."""
    return pattern.lower().replace('{split}', '*').split('/')[:-1]
