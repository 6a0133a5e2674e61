# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The street of drawn scenes: ground, buildings, furniture, vegetation, traffic."""
