# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A network of other authors with one softmax over the classes of a mapping.

It serves as the start of a network on a tree and as its teacher. Its file holds `backbone.*` in
timm's names or those of EfficientViT's authors, and `head.*` in theirs.
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Mapping as MappingABC
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.model.authors_names import timm_name
from hiseg_ros.model.backbone import TimmBackbone
from hiseg_ros.model.classifier_tree import CutLeafHead, LeafHead
from hiseg_ros.model.decoders.summed import SummedDecoder
from hiseg_ros.model.decoders.summed_detail import SummedDetailDecoder
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Mapping, Taxonomy

CHANNELS = 128
"""Of the features that the classes are read from."""

UNKNOWN_LEAF_OFFSET = -4.0
"""Logit of a leaf that no class covers, from the mean of the classes' logits on."""

_LAYER = {'conv': '0', 'norm': '1'}
_RENAMED = (
    # timm flattens the first two levels of names where it returns features.
    (r'backbone\.(stages|stem)\.(\w+)\.', r'backbone.model.\1_\2.'),
    (r'backbone\.(?!model\.)', 'backbone.model.'),
    (r'head\.input_ops\.0\.op_list\.0\.', 'decoder.laterals.2.'),
    (r'head\.input_ops\.1\.op_list\.0\.', 'decoder.laterals.1.'),
    (r'head\.input_ops\.2\.', 'decoder.laterals.0.'),
    (r'head\.middle\.op_list\.0\.main\.inverted_conv\.', 'decoder.middle.expand.'),
    (r'head\.middle\.op_list\.0\.main\.depth_conv\.', 'decoder.middle.depthwise.'),
    (r'head\.middle\.op_list\.0\.main\.point_conv\.', 'decoder.middle.reduce.'),
    (r'head\.output_ops\.0\.op_list\.0\.', 'decoder.output.'),
    (r'head\.output_ops\.0\.op_list\.1\.conv\.', 'classes.'),
)

_log = logging.getLogger(__name__)


class ClassNetwork(nn.Module):
    """Backbone, summed decoder and one convolution to the logits of classes."""

    def __init__(self, backbone: str, class_count: int) -> None:
        """Build the network with random weights.

        Raises:
            ConfigError: The backbone cannot be built.
        """
        super().__init__()
        self.backbone = TimmBackbone(backbone)
        self.decoder = SummedDecoder(self.backbone.channels, self.backbone.strides, CHANNELS)
        self.classes = nn.Conv2d(CHANNELS, class_count, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes.

        Args:
            images: (N, 3, H, W) normalised; H and W multiples of 32.

        Returns:
            (N, C, H / 8, W / 8).
        """
        logits: torch.Tensor = self.classes(self.decoder(self.backbone(images)))
        return logits


def load_class_network(path: Path | str, backbone: str, class_count: int) -> ClassNetwork:
    """Read the weights of other authors.

    Args:
        path: A safetensors file; nothing in it is executed.
        backbone: Name of the timm model.
        class_count: Number of its classes.

    Returns:
        The network in float32 and evaluation mode.

    Raises:
        CheckpointError: The file cannot be read, or its tensors are of another network.
        ConfigError: The backbone cannot be built.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f'The weights {path} do not exist; expected a safetensors file of {backbone!r} with '
            f'a segmentation head of {class_count} classes: check the path.'
        )
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as problem:
        raise CheckpointError(
            f'The weights {path} cannot be read ({problem}); expected a whole safetensors file: '
            'fetch it again.'
        ) from problem
    network = ClassNetwork(backbone, class_count)
    network.load_state_dict(_fitting(found, network.state_dict(), path, backbone))
    return network.eval()


def _fitting(
    found: MappingABC[str, torch.Tensor],
    wanted: MappingABC[str, torch.Tensor],
    path: Path,
    backbone: str,
) -> dict[str, torch.Tensor]:
    """Return the tensors under our names.

    Raises:
        CheckpointError: Not all of them fit the network, or some are missing.
    """
    named = {_our_name(name): (name, tensor) for name, tensor in found.items()}
    fits = {
        ours: tensor
        for ours, (_, tensor) in named.items()
        if ours in wanted and tensor.shape == wanted[ours].shape
    }
    if len(fits) == len(wanted) == len(found):
        return {name: tensor.float() for name, tensor in fits.items()}
    unfit = [name for ours, (name, _) in named.items() if ours not in fits]
    missing = [name for name in wanted if name not in fits]
    first = f'first that does not {unfit[0]}' if unfit else f'first that is missing {missing[0]}'
    raise CheckpointError(
        f'Of the {len(found)} tensors of {path} {len(fits)} fit the {len(wanted)} of {backbone!r} '
        f'with its segmentation head ({first}); expected all of them: take the weights of this '
        'backbone and these classes.'
    )


def _our_name(name: str) -> str:
    """Return the name that a tensor of the file has in `ClassNetwork`."""
    name = timm_name(name)
    for pattern, replacement in _RENAMED:
        renamed, count = re.subn('^' + pattern, replacement, name)
        if count:
            if renamed.startswith('decoder.'):
                parts = renamed.split('.')
                renamed = '.'.join(_LAYER.get(part, part) for part in parts)
            return renamed
    return name


def check_disjoint(mapping: Mapping, taxonomy: Taxonomy) -> None:
    """Check that no leaf belongs to two classes.

    Raises:
        ConfigError: One does.
    """
    shared = mapping.label_matrix(taxonomy).sum(0) > 1
    if shared.any():
        leaf = taxonomy.nodes[taxonomy.leaves[int(shared.argmax())]].name
        raise ConfigError(
            f'Mapping {mapping.name!r} has the leaf {leaf!r} in more than one label; expected '
            'each leaf in one at most, since the labels are the classes of one softmax.'
        )


@torch.no_grad()
def start_from_classes(
    network: HierarchicalNetwork, source: ClassNetwork, mapping: Mapping, taxonomy: Taxonomy
) -> str:
    """Give a network on a tree the weights of a network of classes.

    A class's probability is spread evenly over the leaves that its label allows, so that the sums
    over them are those of the source; leaves without a class start unlikely everywhere. What the
    source does not have, such as a decoder's second path, keeps its random numbers.

    Args:
        network: Changed in place; its head is the leaf head.
        source: The weights.
        mapping: Its labels are the classes, in order.
        taxonomy: The tree.

    Returns:
        How many tensors were taken, and which leaves each class became, in a few lines.

    Raises:
        ConfigError: The network has another backbone, decoder or head, or the mapping has another
            number of labels or a leaf in two of them.
    """
    check_disjoint(mapping, taxonomy)
    decoder = network.decoder
    street = decoder.street if isinstance(decoder, SummedDetailDecoder) else decoder
    count = source.classes.out_channels
    if (
        network.backbone.name != source.backbone.name
        or not isinstance(street, SummedDecoder)
        or not isinstance(network.head, LeafHead | CutLeafHead)
        or street.channels != CHANNELS
        or len(mapping.labels) != count
    ):
        raise ConfigError(
            f'The network {network.config} with {len(mapping.labels)} classes of mapping '
            f'{mapping.name!r} cannot start from weights of {source.backbone.name!r} with {count} '
            f'classes; expected this backbone, a summed decoder with {CHANNELS} channels '
            f"({CHANNELS * 3 // 2} with the decoder 'summed_detail'), the head 'leaf' and a "
            'mapping with as many labels.'
        )
    network.backbone.load_state_dict(source.backbone.state_dict())
    street.load_state_dict(source.decoder.state_dict(), strict=False)
    taken = len(source.backbone.state_dict()) + len(source.decoder.state_dict())
    logits, weight, bias = network.head.logits, source.classes.weight, source.classes.bias
    assert logits.bias is not None and bias is not None
    logits.weight.zero_()
    logits.weight[:, :CHANNELS] = weight.mean(0)
    logits.bias.fill_(float(bias.mean()) + UNKNOWN_LEAF_OFFSET)
    places = _softmax_places(network.head, taxonomy)
    for below in getattr(network.head, 'below', ()):
        below.weight.zero_()
        below.bias.zero_()
    lines = []
    for row, label in enumerate(mapping.labels):
        for place, count_below in Counter(places[leaf] for leaf in label.leaves).items():
            logits.weight[place, :CHANNELS] = weight[row]
            logits.bias[place] = bias[row] - math.log(len(label.leaves) / count_below)
        names = ', '.join(taxonomy.nodes[leaf].name for leaf in label.leaves)
        lines.append(f'{label.name} -> {names}')
    total = len(network.state_dict())
    report = (
        f'{taken} of {total} tensors of the network come from the weights of '
        f'{source.backbone.name}, and {count} classes became leaves: ' + '; '.join(lines)
    )
    _log.info(report)
    return report


def _softmax_places(head: LeafHead | CutLeafHead, taxonomy: Taxonomy) -> dict[int, int]:
    """Return the channel of the first softmax that contains each leaf."""
    if isinstance(head, LeafHead):
        return taxonomy.leaf_index_of_node_id
    channels = {node: channel for channel, node in enumerate(head.frontier)}
    return {
        leaf: next(channels[node] for node in taxonomy.path(leaf) if node in channels)
        for leaf in taxonomy.leaves
    }
