# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backends that run the network; each module imports its runtime only when it is chosen."""
