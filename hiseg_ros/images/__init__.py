# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image files and image messages; their size is checked before they are decoded."""

from hiseg_ros.images.file import read_ids, read_image, read_label_ids, write_image
from hiseg_ros.images.header import (
    MAX_PIXELS,
    ImageHeader,
    check_claim,
    check_size,
    read_header,
)

__all__ = [
    'MAX_PIXELS',
    'ImageHeader',
    'check_claim',
    'check_size',
    'read_header',
    'read_ids',
    'read_image',
    'read_label_ids',
    'write_image',
]
