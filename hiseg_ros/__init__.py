# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Hierarchical semantic segmentation for ROS 2 robots."""

import pkgutil

# The generated messages (hiseg_ros.msg) live in the install space under the same package name;
# without this the checkout would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.1.0'
