# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training step with two images of each domain, for methods of adaptation without a run."""

from __future__ import annotations

import torch

from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.adaptation.step import Seen, Step, recorded_maps

TREE = load_taxonomy('street')
CAMVID = load_mapping('camvid', TREE)
CROP = (64, 96)


def step_of(network: HierarchicalNetwork, number: int = 0) -> Step:
    """Return a step with two images of each domain; the source's loss is the mean of a map."""
    generator = torch.Generator().manual_seed(1)

    def images(high: int) -> torch.Tensor:
        return torch.randint(0, high, (2, 3, *CROP), generator=generator, dtype=torch.uint8)

    def look(batch: torch.Tensor) -> Seen:
        with recorded_maps(network) as maps:
            output = network.head_output(batch.float() / 255)
        return Seen(output, maps)

    source, target = images(255), images(80)
    return Step(
        number=number,
        optimizer_step=number,
        is_first_batch=True,
        seed=1,
        network=network,
        source_images=source,
        source_labels=torch.zeros(2, *CROP, dtype=torch.int64),
        source=look(source),
        target_images=target,
        look=look,
        teach=lambda output: output.leaf_probabilities[:, 0].mean(),
        look_with=lambda other, batch: other(batch.float() / 255),
    )
