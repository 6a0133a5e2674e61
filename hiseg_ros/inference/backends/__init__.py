# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What can run the network; each file imports its runtime, and only when it is chosen."""
