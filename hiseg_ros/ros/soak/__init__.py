# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A long run with faults in it, and books that have to balance at its end."""
