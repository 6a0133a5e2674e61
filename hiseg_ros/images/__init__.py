# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures of any origin: what they claim is looked at before they are decoded."""

from hiseg_ros.images.file import read_picture, write_picture
from hiseg_ros.images.header import (
    MAX_PIXELS,
    PictureHeader,
    check_claim,
    check_size,
    read_header,
)

__all__ = [
    'MAX_PIXELS',
    'PictureHeader',
    'check_claim',
    'check_size',
    'read_header',
    'read_picture',
    'write_picture',
]
