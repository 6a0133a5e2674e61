# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Helpers that several verbs of the command line share."""
