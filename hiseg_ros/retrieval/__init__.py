# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Retrieval: the images of recordings and folders that look most alike to a network."""
