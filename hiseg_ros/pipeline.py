# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image to labels on one page: preprocessing, network, decision."""

from __future__ import annotations

import time

import numpy as np
import torch

from hiseg_ros.decision import decide
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation


@torch.inference_mode()
def segment(
    rgb: RgbImage,
    network: HierarchicalNetwork,
    taxonomy: Taxonomy,
    preprocessing: Preprocessing,
    *,
    device: torch.device,
    input_height: int = 0,
    threshold: float = 0.0,
    labels: bool = True,
    confidence: bool = True,
) -> Segmentation:
    """Segment one image.

    Args:
        rgb: (H, W, 3) uint8.
        network: In evaluation mode, on `device`.
        taxonomy: The network's tree.
        preprocessing: The network's preprocessing.
        device: Where everything up to the labels is computed.
        input_height: Shorter side of the network input in pixels; 0 = the weights' rule.
        threshold: Least conditional probability of a child, in [0, 1]; 0 forces leaves.
        labels: Whether the label image is wanted; (0, 0) without.
        confidence: Whether the confidence image is wanted; (0, 0) without.

    Raises:
        ConfigError: The input height is out of range.
    """
    size = (rgb.shape[0], rgb.shape[1])
    started = time.perf_counter()
    images = preprocessing.prepare(rgb, device, input_height)
    prepared = time.perf_counter()
    nodes = network.node_probabilities(network(images))[0]
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    computed = time.perf_counter()
    label_image = confidence_image = np.empty((0, 0), np.uint8)
    if labels or confidence:
        decided, probability = decide(nodes, taxonomy, size, threshold)
        if labels:
            label_image = decided.cpu().numpy()
        if confidence:
            quantised = (probability * 255).round().clamp(0, 255).to(torch.uint8)
            confidence_image = quantised.cpu().numpy()
    result = Segmentation(
        label_image,
        confidence_image,
        NodeProbabilities(np.ascontiguousarray(nodes.float().cpu().numpy()), size),
        {
            'preprocess': 1e3 * (prepared - started),
            'network': 1e3 * (computed - prepared),
            'decision': 1e3 * (time.perf_counter() - computed),
        },
    )
    return result
