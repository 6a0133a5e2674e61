# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whether there is enough to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import DatasetError


def check_labels(labels: Sequence[NDArray[np.int64]], what: str, least: int = 1) -> None:
    """Check that there are two labels and enough of each.

    Args:
        labels: Positions of labels, in parts.
        what: What they are labels of, for the message.
        least: Least number of each.

    Raises:
        DatasetError: There are not.
    """
    counts = np.bincount(np.concatenate(labels)) if labels else np.zeros(0, np.int64)
    present = counts[counts > 0]
    if len(present) < 2 or present.min() < least:
        raise DatasetError(
            f'The training images have {what} of {len(present)} labels, of the rarest '
            f'{int(present.min()) if len(present) else 0}; expected at least two labels with at '
            f'least {least} each: take more images.'
        )
