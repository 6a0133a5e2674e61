# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels at the deepest sure node, over several views of an image."""

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
    deepest_sure,
    label_in_time,
    spread_order,
    write_mapping,
)
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402
from hiseg_ros.taxonomy import load_mapping, load_taxonomy  # noqa: E402

TAXONOMY = load_taxonomy('street')


def nodes_of(shares: dict[str, float]) -> torch.Tensor:
    """Return (V, 1, 1) node probabilities of leaves that have these probabilities."""
    values = torch.zeros(len(TAXONOMY), 1, 1)
    for name, share in shares.items():
        for node_id in TAXONOMY.path(TAXONOMY.node_id(name)):
            values[node_id] += share
    return values


@pytest.mark.parametrize(
    ('shares', 'name'),
    [
        ({'Car': 0.9, 'Truck': 0.1}, 'Car'),
        ({'Car': 0.5, 'Truck': 0.4, 'Sky': 0.1}, 'Motor Vehicle'),
        ({'Road': 0.5, 'Parking': 0.3, 'Sidewalk': 0.2}, 'Driveable'),
        ({'Road': 0.4, 'Sidewalk': 0.4, 'Sky': 0.2}, 'Construction - Flat'),
        ({'Road': 0.4, 'Sky': 0.4, 'Car': 0.2}, None),
    ],
)
def test_the_label_is_the_deepest_node_that_is_sure(
    shares: dict[str, float], name: str | None
) -> None:
    labels = deepest_sure(nodes_of(shares), TAXONOMY, (3, 4))
    expected = 255 if name is None else TAXONOMY.node_id(name)
    np.testing.assert_array_equal(labels, np.full((3, 4), expected))


def test_probabilities_are_interpolated_as_everywhere() -> None:
    """As torch does it over whole images, cell centres in place; the rows are done in strips."""
    torch.manual_seed(0)
    leaves = torch.rand(1, len(TAXONOMY.leaves), 9, 7).pow(300)
    leaves /= leaves.sum(1, keepdim=True)
    matrix = torch.from_numpy(TAXONOMY.leaf_matrix()).float()
    nodes = torch.einsum('vl,nlhw->nvhw', matrix, leaves)
    size = (150, 61)
    whole = torch.nn.functional.interpolate(nodes, size=size, mode='bilinear')[0]
    levels = torch.tensor([TAXONOMY.level(n.node_id) for n in TAXONOMY.nodes])[:, None, None]
    deepest = torch.where(whole > 0.6, levels, -1).argmax(0).numpy()
    expected = np.where(deepest == 0, 255, deepest)
    found = deepest_sure(nodes[0], TAXONOMY, size)
    assert (found != expected).mean() < 1e-3
    assert len(np.unique(found)) > 5


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
    assert teacher.label(street_image).shape == street_image.shape[:2]


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
