# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Signs to paste: cut out of annotated images, and drawn, for every type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes import SIGN_TYPES, draw_sign
from hiseg_ros.datasets.sign_types import sign_shape
from hiseg_ros.training.data.training_set import TrainingSet
from hiseg_ros.training.data.transforms import SignCutout

MIN_SIDE = 20
"""Smallest side in pixels of cutouts: smaller ones show no readable pictogram."""


def sign_library(
    training_set: TrainingSet,
    label_set_of_label_id: NDArray[np.int16],
    drawn_per_type: int,
    seed: int,
) -> list[list[SignCutout]]:
    """Return cutouts by type, real ones from the boxes of a dataset and drawn ones.

    Args:
        training_set: A dataset with boxes of sign types, in GTSDB's label ids.
        label_set_of_label_id: (256,) label set of each label id.
        drawn_per_type: Number of drawn variants of each type.
        seed: Seed of the drawn variants.
    """
    cutouts: dict[int, list[SignCutout]] = defaultdict(list)
    for index in range(len(training_set.images)):
        entry = training_set.images[index]
        for box in entry.boxes:
            rgb = entry.image[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1]
            if min(rgb.shape[:2]) >= MIN_SIDE:
                mask = sign_shape(box.label_id, rgb.shape[0], rgb.shape[1])
                cutouts[box.label_id].append(
                    SignCutout(rgb.copy(), mask, int(label_set_of_label_id[box.label_id]))
                )
    _add_drawn(
        cutouts, SIGN_TYPES, label_set_of_label_id, drawn_per_type, np.random.default_rng(seed)
    )
    return [cutouts[label_id] for label_id in sorted(cutouts)]


def _add_drawn(
    cutouts: dict[int, list[SignCutout]],
    names: Sequence[str],
    label_set_of_label_id: NDArray[np.int16],
    per_type: int,
    rng: np.random.Generator,
) -> None:
    for label_id, name in enumerate(names):
        # Half of the pasted signs of a type are real where there are enough.
        for _ in range(max(per_type, len(cutouts[label_id]) // 2)):
            rgb, mask = draw_sign(name, 96, rng)
            cutouts[label_id].append(SignCutout(rgb, mask, int(label_set_of_label_id[label_id])))
