# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training samples: label table, datasets in memory or on disk, augmentation, batches."""
