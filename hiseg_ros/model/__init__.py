# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The network: backbone, decoder, classifier tree, and the weights file that describes itself."""
