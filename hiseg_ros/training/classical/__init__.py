# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training of classical methods, with scikit-learn where they learn a classifier."""
