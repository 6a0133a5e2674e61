# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Segment one image: its classes with their confidence, the traffic signs, and an overlay."""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from hiseg_ros.inference.engine import Engine
from hiseg_ros.regions import subclass_masks
from hiseg_ros.visualization import draw_names, overlay, place_names


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='PNG, JPEG, ...')
    parser.add_argument('--model', help='weights (default: the shipped ones)')
    parser.add_argument('--overlay', default='overlay.png', help='image to write')
    options = parser.parse_args()

    bgr = cv2.imread(options.image)
    if bgr is None:
        parser.error(f'{options.image} is no image')
    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)

    engine = Engine(options.model)
    tree = engine.taxonomy
    result = engine.segment(rgb)

    # labels: (H, W) node ids. Print the most common classes with their share of the image, the
    # mean of their probability there, and their path in the tree.
    ids, counts = np.unique(result.labels, return_counts=True)
    for node_id in ids[np.argsort(-counts)][:10]:
        region = result.labels == node_id
        path = ' > '.join(tree.nodes[node].name for node in tree.path(int(node_id)))
        sure = result.confidence[region].mean() / 255
        print(f'{region.mean():6.1%}  {sure:.2f}  {path}')

    # The same labels at level 2 of the tree, without running the network again.
    coarse = tree.node_id_at_level(2)[result.labels]
    print(len(np.unique(coarse)), 'classes at level 2')

    # Each traffic sign is one region with a vote on its type.
    for sign in subclass_masks(result, tree, min_probability=0.7):
        y, x, height, width = sign.roi
        name = tree.nodes[sign.node_id].name
        print(f'{name} ({sign.score:.2f}) at x {x}, y {y}, {width} x {height} pixels')

    image = draw_names(overlay(rgb, result.labels, tree), place_names(result.labels, tree), tree)
    cv2.imwrite(options.overlay, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


if __name__ == '__main__':
    main()
