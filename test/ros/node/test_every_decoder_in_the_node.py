# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One node runs weights of every decoder in turn, and labels a drawn scene with each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.taxonomy import load_taxonomy

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = [
    pytest.mark.needs('ros', 'torch', 'networks'),
    pytest.mark.filterwarnings('ignore::UserWarning'),
]

SIZE = (64, 96)


def weights_of(name: str, folder: Path) -> Path:
    """Write weights of a tiny network with a decoder, from random numbers; return the file."""
    import torch

    from hiseg_ros.model.checkpoint import save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.decoders.registry import DECODERS
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing

    entry, taxonomy = DECODERS[name], load_taxonomy('street')
    options = {'width': 32, 'rates': (1, 2, 3)}
    torch.manual_seed(1)
    network = HierarchicalNetwork(
        NetworkConfig(
            'vgg11_bn' if entry.backbones else 'mobilenetv4_conv_small_035',
            32 if 32 in entry.output_strides else 16,
            name,
            24 if name.startswith('summed') else 32,
            branch_channels=4,
            decoder_options={k: v for k, v in options.items() if k in entry.options},
        ),
        taxonomy,
    )
    path = folder / f'{name}.safetensors'
    save_checkpoint(path, network.eval(), taxonomy, Preprocessing(), {'name': name}, half=False)
    return path


def test_every_decoder_labels_a_scene_in_the_node(graph: Graph, tmp_path: Path) -> None:
    """Also those that cannot be exported; labels are those of the engine without the node."""
    from node_support import image_message, pixels, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.model.decoders.registry import DECODERS
    from hiseg_ros.srv import LoadModel

    rgb = draw_scene(3, SIZE).rgb
    files = {name: weights_of(name, tmp_path) for name in DECODERS}
    first = next(iter(files.values()))
    start_node(graph, model=first, device='cpu', backend='eager', input_height=64)
    wait_active(graph)
    publisher = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    for number, (name, path) in enumerate(files.items()):
        message = image_message(rgb, number)
        request = LoadModel.Request(model=str(path))
        assert graph.call(LoadModel, '/segmentation/load_model', request).success, name

        def found(stamp: object = message.header.stamp) -> list[Image]:
            return [one for one in labels if one.header.stamp == stamp]

        def publish(message: Image = message) -> None:
            publisher.publish(message)

        graph.until(lambda: bool(found()), f'labels of {name}', meanwhile=publish)  # noqa: B023
        expected = Engine(path, device='cpu', backend='eager', input_height=64).segment(rgb).labels
        assert np.array_equal(pixels(found()[0]), expected), name
