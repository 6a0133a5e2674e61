# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Read the bag of `hiseg replay`, or a recording of the node, without ROS."""

from __future__ import annotations

import argparse

import numpy as np

from hiseg_ros.bags.bag import Bag, read_images, read_taxonomy


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', help='rosbag2 folder or .mcap file, such as out/replay.mcap')
    parser.add_argument('--node', default='/segmentation', help='name of the node')
    options = parser.parse_args()
    node = options.node

    # The taxonomy is recorded with the labels: it gives the names of the node ids.
    tree = read_taxonomy(options.bag, node)
    print(f'{tree.name} {tree.version}, {len(tree)} nodes, digest {tree.digest[:12]}')

    # Labels: mono8 images of node ids with the stamps of the camera.
    counts, frames = np.zeros(256), 0
    for _, labels in read_images(options.bag, f'{node}/labels'):
        counts += np.bincount(labels.ravel(), minlength=256) / labels.size
        frames += 1
    print(f'{frames} frames')
    for node_id in np.argsort(-counts[: len(tree)])[:5].tolist():
        print(f'{counts[node_id] / frames:6.1%}  {tree.nodes[node_id].name}')

    with Bag(options.bag) as bag:
        topics = {topic.name for topic in bag.topics}
        # Probabilities: uint8 channels, rows and columns; 255 is a probability of 1.
        if f'{node}/level_1/probabilities' in topics:
            for _, message in bag.messages(f'{node}/level_1/probabilities'):
                shape = (len(message.node_ids), message.height, message.width)
                values = np.frombuffer(message.data, np.uint8).reshape(shape) / 255
                best = values.mean(axis=(1, 2)).argmax()
                print('first frame, most probable:', tree.nodes[message.node_ids[best]].name)
                break
        # Signs: one message per frame, one entry per sign, masks packed into bits.
        for time_ns, message in bag.messages(f'{node}/traffic_signs'):
            for sign in message.masks:
                rows, columns = sign.roi.height, sign.roi.width
                bits = np.unpackbits(np.frombuffer(sign.data, np.uint8), count=rows * columns)
                share = bits.reshape(rows, columns).mean()
                name = tree.nodes[sign.node_id].name
                print(f'{time_ns / 1e9:.3f} s  {name} ({sign.score:.2f}), {share:.0%} of its box')


if __name__ == '__main__':
    main()
