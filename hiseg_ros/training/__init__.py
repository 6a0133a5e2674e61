# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training on datasets whose labels differ in detail and in kind."""
