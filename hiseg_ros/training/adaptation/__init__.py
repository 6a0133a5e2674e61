# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Domain adaptation: learning from labelled sources and unlabelled images of a target."""
