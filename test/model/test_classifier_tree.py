# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The classifier heads against references of a few lines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import ConditionalHead, LeafHead
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

BRANCHES = ('pointwise', 'bottleneck')


def head_with_lively_norms(
    taxonomy: Taxonomy, branch: str, channels: int = 24, seed: int = 0
) -> ConditionalHead:
    """Return a head in evaluation mode whose batch norms are not identities."""
    torch.manual_seed(seed)
    head = ConditionalHead(taxonomy, NetworkConfig(branch=branch, channels=channels)).eval()
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return head


def walked_products(taxonomy: Taxonomy, logits: list[np.ndarray]) -> np.ndarray:
    """Return leaf probabilities: at every inner node a softmax, multiplied along each path."""
    of_node = {0: np.ones_like(logits[0][:, 0])}
    for inner, values in zip(taxonomy.classifiers, logits, strict=True):
        exponents = np.exp(values - values.max(1, keepdims=True))
        for index, child in enumerate(taxonomy.children(inner)):
            of_node[child] = of_node[inner] * exponents[:, index] / exponents.sum(1)
    return np.stack([of_node[leaf] for leaf in taxonomy.leaves], 1)


@pytest.mark.parametrize('branch', BRANCHES)
@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_leaf_is_the_product_of_the_softmaxes_on_its_path(branch: str, seed: int) -> None:
    """The matrix product in log space equals a walk down the tree."""
    taxonomy = random_tree(np.random.default_rng(seed))
    head = head_with_lively_norms(taxonomy, branch, channels=8, seed=seed % 2**31)
    features = torch.randn(2, 8, 3, 4) * 3
    with torch.inference_mode():
        logits = [values.double().numpy() for values in head.conditional_logits(features)]
        found = head(features).numpy()
    np.testing.assert_allclose(found, walked_products(taxonomy, logits), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize('name', ['street', 'iv2018'])
@pytest.mark.parametrize('branch', [*BRANCHES, 'leaf'])
def test_leaf_probabilities_sum_to_one_and_none_is_negative(name: str, branch: str) -> None:
    """Every head ends in a distribution over the leaves of the shipped trees."""
    taxonomy = load_taxonomy(name)
    config = NetworkConfig(channels=24, branch='pointwise' if branch == 'leaf' else branch)
    head = (LeafHead if branch == 'leaf' else ConditionalHead)(taxonomy, config)
    with torch.inference_mode():
        found = head(torch.randn(2, 24, 5, 7) * 10)
    assert found.shape == (2, len(taxonomy.leaves), 5, 7)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(1), torch.ones(2, 5, 7))


def test_extreme_logits_give_a_distribution_without_nan() -> None:
    """A classifier that is certain beyond float32's range stays a distribution."""
    taxonomy = load_taxonomy('street')
    head = head_with_lively_norms(taxonomy, 'pointwise')
    for module in head.logits:
        torch.nn.init.normal_(module.weight, std=1e3)
    with torch.inference_mode():
        found = head(torch.randn(1, 24, 6, 6) * 1e3)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(1), torch.ones(1, 6, 6))


def test_half_precision_features_give_float32_probabilities() -> None:
    """Under reduced precision the softmaxes are still computed in float32."""
    taxonomy = load_taxonomy('iv2018')
    head = head_with_lively_norms(taxonomy, 'pointwise').bfloat16()
    head.paths = head.paths.float()
    with torch.inference_mode():
        found = head(torch.randn(1, 24, 4, 4).bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(1, 4, 4))


@pytest.mark.parametrize('training', [False, True])
def test_the_fused_pointwise_branch_equals_one_convolution_per_classifier(training: bool) -> None:
    """The wide convolution is the classifiers' own convolutions side by side."""
    taxonomy = load_taxonomy('street')
    head = head_with_lively_norms(taxonomy, 'pointwise').train(training)
    features = torch.randn(2, 24, 6, 5)
    convolution, norm, _ = head.branch
    separate, start = [], 0
    for width, logits in zip(head.widths, head.logits, strict=True):
        own = slice(start, start + width)
        x = F.conv2d(features, convolution.weight[own])
        x = F.batch_norm(
            x,
            norm.running_mean[own].clone(),
            norm.running_var[own].clone(),
            norm.weight[own],
            norm.bias[own],
            training,
        )
        separate.append(F.conv2d(x.relu(), logits.weight, logits.bias))
        start += width
    assert start == convolution.out_channels
    for fused, alone in zip(head.conditional_logits(features), separate, strict=True):
        torch.testing.assert_close(fused, alone, rtol=1e-4, atol=1e-4)


def test_the_bottleneck_branch_is_the_residual_block_of_iv_2018() -> None:
    """Per classifier 1x1, 3x3, 1x1 of 0.72 M weights, an identity shortcut, ReLU, own logits."""
    taxonomy = load_taxonomy('iv2018')
    head = ConditionalHead(taxonomy, NetworkConfig(channels=256, branch='bottleneck')).eval()
    assert [module.out_channels for module in head.logits] == [53, 10, 3, 2, 43]
    assert len(head.branch) == 5
    for branch in head.branch:
        kernels = [m.weight for m in branch.modules() if isinstance(m, torch.nn.Conv2d)]
        assert [tuple(kernel.shape[2:]) for kernel in kernels] == [(1, 1), (3, 3), (1, 1)]
        assert sum(kernel.numel() for kernel in kernels) == 720_896
        # With a last norm of zero only the shortcut is left.
        torch.nn.init.zeros_(branch[-1].weight)
    features = torch.randn(1, 256, 3, 3)
    with torch.inference_mode():
        for found, logits in zip(head.conditional_logits(features), head.logits, strict=True):
            torch.testing.assert_close(found, logits(features.relu()))


def test_classifiers_share_no_branch() -> None:
    """Changing one classifier's branch changes its logits alone."""
    taxonomy = load_taxonomy('iv2018')
    features = torch.randn(1, 24, 3, 3)
    for branch in BRANCHES:
        head = head_with_lively_norms(taxonomy, branch)
        with torch.inference_mode():
            before = head.conditional_logits(features)
            if branch == 'pointwise':
                start = sum(head.widths[:2])
                head.branch[0].weight[start : start + head.widths[2]] += 1
            else:
                head.branch[2][-1].bias += 1
            after = head.conditional_logits(features)
        changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert changed == [False, False, True, False, False]


@pytest.mark.parametrize('branch', [*BRANCHES, 'leaf'])
def test_what_losses_read_is_what_inference_computes(branch: str) -> None:
    """Leaf probabilities are those of `forward`, their factors the classifiers' log-softmaxes."""
    taxonomy = load_taxonomy('iv2018')
    config = NetworkConfig(channels=24, branch='pointwise' if branch == 'leaf' else branch)
    head = (LeafHead if branch == 'leaf' else ConditionalHead)(taxonomy, config).eval()
    features = torch.randn(2, 24, 3, 4)
    output = head.head_output(features)
    assert torch.equal(output.leaf_probabilities, head(features))
    if branch == 'leaf':
        assert output.conditional_log_probabilities is None
        return
    assert output.conditional_log_probabilities is not None
    logits = head.conditional_logits(features)
    for found, values in zip(output.conditional_log_probabilities, logits, strict=True):
        torch.testing.assert_close(found, values.log_softmax(1))
        torch.testing.assert_close(found.exp().sum(1), torch.ones(2, 3, 4))


@pytest.mark.parametrize('branch', [*BRANCHES, 'leaf'])
def test_under_autocast_losses_read_exact_products_of_float32(branch: str) -> None:
    """Bfloat16 ends before the softmax: sums of its logarithms would be off by a percent."""
    taxonomy = load_taxonomy('street')
    config = NetworkConfig(channels=24, branch='pointwise' if branch == 'leaf' else branch)
    head = (LeafHead if branch == 'leaf' else ConditionalHead)(taxonomy, config).eval()
    features = torch.randn(1, 24, 3, 4) * 5
    with torch.autocast('cpu', torch.bfloat16):
        found = head.head_output(features)
        logits = head.conditional_logits(features) if branch != 'leaf' else [head.logits(features)]
    assert logits[0].dtype == torch.bfloat16
    if branch == 'leaf':
        expected = logits[0].detach().double().softmax(1).numpy()
    else:
        expected = walked_products(taxonomy, [x.detach().double().numpy() for x in logits])
    assert found.leaf_probabilities.dtype == torch.float32
    np.testing.assert_allclose(
        found.leaf_probabilities.detach().numpy(), expected, rtol=2e-5, atol=1e-7
    )


def test_node_slices_name_each_classifiers_columns() -> None:
    """The slices cover the columns of `paths` in order, one per inner node."""
    taxonomy = load_taxonomy('iv2018')
    head = ConditionalHead(taxonomy, NetworkConfig(channels=8))
    lengths = [part.stop - part.start for part in head.node_slices()]
    assert lengths == [53, 10, 3, 2, 43]
    assert head.node_slices()[-1].stop == head.paths.shape[1] == len(taxonomy) - 1
    # A leaf at level n has n steps.
    assert head.paths.sum(1).tolist() == [taxonomy.level(leaf) for leaf in taxonomy.leaves]


@pytest.mark.parametrize('head', ['conditional', 'leaf'])
def test_a_parents_probability_is_the_sum_of_its_childrens(head: str) -> None:
    """The network's node probabilities obey the tree, and the root is 1."""
    taxonomy = load_taxonomy('street')
    torch.manual_seed(1)
    config = NetworkConfig('mobilenetv4_conv_small_050', channels=16, head=head, decoder='fusion')
    network = HierarchicalNetwork(config, taxonomy).eval()
    with torch.inference_mode():
        nodes = network.node_probabilities(network(torch.randn(1, 3, 64, 96)))[0]
    torch.testing.assert_close(nodes[0], torch.ones(16, 24))
    assert nodes.max() <= 1
    for inner in taxonomy.inner:
        children = nodes[list(taxonomy.children(inner))].sum(0)
        torch.testing.assert_close(nodes[inner], children, rtol=1e-5, atol=1e-6)
