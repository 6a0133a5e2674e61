# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mining: the frames of recordings and datasets that are worth labelling, and their labels."""
