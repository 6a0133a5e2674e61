# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Steps after the network for images that may take seconds; the node uses none of them."""
