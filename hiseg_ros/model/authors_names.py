# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names of tensors in the files of EfficientViT's authors, and those that timm has for them."""

from __future__ import annotations

import re

_RENAMED = (
    (r'backbone\.input_stem\.op_list\.0\.', lambda _: 'backbone.stem.in_conv.'),
    (
        r'backbone\.input_stem\.op_list\.(\d+)\.',
        lambda found: f'backbone.stem.res{int(found[1]) - 1}.',
    ),
    (
        r'backbone\.stages\.(\d+)\.op_list\.(\d+)\.',
        lambda found: f'backbone.stages.{found[1]}.blocks.{found[2]}.',
    ),
)


def timm_name(name: str) -> str:
    """Return the name that timm has for a tensor of a backbone; other names stay as they are."""
    for pattern, renamed in _RENAMED:
        name, count = re.subn('^' + pattern, renamed, name)
        if count:
            break
    return name
