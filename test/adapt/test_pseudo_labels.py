# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels drawn from the probabilities of several views of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.needs('torch', 'train')
torch = pytest.importorskip('torch')

from hiseg_ros.adapt.pseudo_labels import (  # noqa: E402
    MAPPING_NAME,
    View,
    ViewTeacher,
    label_in_time,
    sampled,
    spread_order,
    write_mapping,
)
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402
from hiseg_ros.taxonomy import load_mapping, load_taxonomy  # noqa: E402

TAXONOMY = load_taxonomy('street')


def test_labels_are_drawn_from_the_probabilities() -> None:
    """In their shares, the same ones again, and never one that cannot be."""
    shares = torch.tensor([0.6, 0.0, 0.3, 0.1])
    leaves = shares[:, None, None].expand(4, 3, 5)
    ids = np.array([7, 9, 4, 30], np.uint8)
    size = (150, 200)
    labels = sampled(leaves, ids, size, 3)
    assert labels.shape == size
    found = [float((labels == one).mean()) for one in ids]
    # Four standard deviations of a share of one half among so many pixels.
    np.testing.assert_allclose(found, shares, atol=4 * 0.5 / np.sqrt(labels.size))
    assert found[1] == 0
    np.testing.assert_array_equal(sampled(leaves, ids, size, 3), labels)
    assert (sampled(leaves, ids, size, 4) != labels).any()


def test_a_sure_pixel_has_its_leaf_wherever_the_strips_end() -> None:
    """Nearest cell of a grid of one image row for each of the image's."""
    leaves = torch.zeros(3, 150, 9)
    rows = torch.arange(150) % 3
    leaves[rows, torch.arange(150)] = 1.0
    labels = sampled(leaves, np.array([1, 2, 3], np.uint8), (150, 9), 1)
    np.testing.assert_array_equal(labels, np.repeat(rows.numpy()[:, None] + 1, 9, 1))


def test_the_views_are_laid_over_each_other(
    tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """One view is the network itself; a mirrored image has mirrored views."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    teacher = ViewTeacher(checkpoint, torch.device('cpu'), bfloat16=False)
    with torch.inference_mode():
        one = teacher.leaf_probabilities(street_image, [View(1.0)])
        network = checkpoint.build()
        expected = network(checkpoint.preprocessing.prepare(street_image))
        torch.testing.assert_close(one, expected)
        both = [View(1.0), View(1.0, True)]
        plain = teacher.leaf_probabilities(street_image, both)
        mirrored = teacher.leaf_probabilities(street_image[:, ::-1].copy(), both)
        torch.testing.assert_close(plain, mirrored.flip(3), atol=1e-5, rtol=1e-4)
        larger = teacher.leaf_probabilities(street_image, [View(1.0), View(2.0)])
    assert larger.shape[-1] == 2 * one.shape[-1]
    torch.testing.assert_close(larger.sum(1), torch.ones_like(larger.sum(1)))
    labels = teacher.label(street_image)
    assert labels.shape == street_image.shape[:2]
    assert set(np.unique(labels)) <= set(checkpoint.taxonomy.leaves)
    np.testing.assert_array_equal(teacher.label(street_image), labels)


def test_the_mapping_has_every_node_but_the_root(tmp_path: Path) -> None:
    write_mapping(tmp_path / 'nodes.yaml', TAXONOMY)
    mapping = load_mapping(tmp_path / 'nodes.yaml', TAXONOMY)
    assert mapping.name == MAPPING_NAME
    assert {label.label_id for label in mapping.labels} == set(range(1, len(TAXONOMY)))
    driveable = next(label for label in mapping.labels if label.name == 'Driveable')
    assert set(driveable.leaves) == set(TAXONOMY.leaves_below(TAXONOMY.node_id('Driveable')))
    assert 255 in mapping.unlabeled_ids


def test_little_time_labels_fewer_images_that_are_spread() -> None:
    class Counts:
        asked = 0

        def label(self, rgb: np.ndarray) -> np.ndarray:
            self.asked += 1
            return rgb

    paths = [Path(f'{number:03d}.jpg') for number in range(100)]
    written: list[Path] = []
    done = label_in_time(
        Counts(),  # type: ignore[arg-type]
        paths, lambda path: np.zeros((1, 1, 3), np.uint8),
        lambda path, labels: written.append(path), 0.0, 16,
    )  # fmt: skip
    assert len(done) == len(written) == 16 and done == sorted(done)
    places = [paths.index(path) for path in done]
    assert np.diff(places).max() <= 10 and places[-1] > 85
    assert sorted(spread_order(100)) == list(range(100))
    assert spread_order(1) == [0]
