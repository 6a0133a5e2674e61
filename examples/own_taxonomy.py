# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From a taxonomy of your own to weights: check taxonomy and mapping, train, segment.

Run it in the checkout. The images are drawn; put yours into the same folders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from hiseg_ros.inference.engine import Engine
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.experiment import load_training_config
from hiseg_ros.training.run.train import train

YARD = Path('examples/yard')
COLORS = np.array([(0, 0, 0), (150, 150, 155), (70, 130, 50), (200, 40, 40), (190, 150, 90),
                   (150, 190, 235)])  # fmt: skip


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of a yard and its label ids; see examples/yard/mapping.yaml."""
    rng = np.random.default_rng(seed)
    kinds = np.full((96, 144), 5)
    kinds[40:], kinds[40:, : rng.integers(20, 70)] = 1, 2
    ids = kinds.astype(np.uint8)
    for row in sorted(rng.integers(45, 90, 5).tolist()):
        kind, left = int(rng.integers(3, 5)), int(rng.integers(0, 130))
        place = slice(row * 2 // 3, row), slice(left, left + row // (9 if kind == 3 else 3))
        kinds[place], ids[place] = kind, kind if row > 55 else 6  # far away: some obstacle
    rgb = COLORS[kinds] + rng.normal(0, 8, (96, 144, 3))
    return rgb.clip(0, 255).astype(np.uint8), ids


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('output', type=Path, help='folder for images, run and weights')
    output = parser.parse_args().output
    mapping = load_mapping(YARD / 'mapping.yaml', load_taxonomy(YARD / 'taxonomy.yaml'))
    for number in range(24):
        for kind, image in zip(('images', 'labels'), draw(number), strict=True):
            path = output / 'data/yard' / kind / f'{number:04d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image[..., ::-1] if kind == 'images' else image)
    config = load_training_config(YARD / 'experiment.yaml').with_paths(output / 'data')
    weights = train(config, output / 'run')
    engine, (rgb, truth) = Engine(weights), draw(1000)
    label_ids = mapping.label_id_of_node_id(engine.taxonomy)[engine.segment(rgb).labels]
    print(f'{(label_ids == truth)[truth != 6].mean():.0%} of a new image is right: {weights}')


if __name__ == '__main__':
    main()
