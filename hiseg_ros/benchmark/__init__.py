# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Speed beside agreement: what a machine makes of a network, by backend and size."""
