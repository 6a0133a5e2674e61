# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoders by name: a backbone's features to one feature map on the network's grid."""
