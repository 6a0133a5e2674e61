# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mirrored crops carry the labels of what they show, checked on drawn signs."""

from __future__ import annotations

import numpy as np

from hiseg_ros.datasets.scenes import SIGN_TYPES, draw_sign
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.taxonomy.mirror import load_mirror_images
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.data.mirroring import NO_MIRROR, mirror_crop, mirrored_label_sets

STREET = load_taxonomy('street')
MIRROR = load_mirror_images('traffic_signs', STREET)
TABLE = LabelTable(STREET, [load_mapping(name, STREET) for name in ('camvid', 'gtsdb', 'drawn')])
"""Two of the three have label sets of the 43 types."""

PAIRS = {19: 20, 20: 19, 33: 34, 34: 33, 36: 37, 37: 36, 38: 39, 39: 38}
SYMMETRIC = {11, 12, 13, 15, 17, 18, 22, 26, 30, 35}


def own_label_sets(mapping: str) -> list[int]:
    """Return the label sets of a mapping."""
    label_sets = TABLE.label_set_of_label_id(mapping)
    return sorted(set(label_sets[label_sets >= 0].tolist()))


def test_types_swap_stay_or_have_no_mirror_image_within_their_own_data_set() -> None:
    """In GTSDB's label sets and in those of drawn scenes."""
    for mapping in ('gtsdb', 'drawn'):
        table = mirrored_label_sets(TABLE.allowed.numpy(), own_label_sets(mapping), MIRROR)
        labels = next(m for n, m in TABLE._mappings.items() if n == mapping).labels
        label_set_of = dict(
            zip((label.name for label in labels), own_label_sets(mapping), strict=True)
        )
        for number, name in enumerate(SIGN_TYPES):
            found = table[label_set_of[name]]
            if number in PAIRS:
                assert found == label_set_of[SIGN_TYPES[PAIRS[number]]], name
            elif number in SYMMETRIC:
                assert found == label_set_of[name], name
            else:
                assert found == NO_MIRROR, name


def test_coarse_labels_stay_true_in_the_mirror() -> None:
    """The front of a sign, and 'outside all boxes', whatever types are in them."""
    table = mirrored_label_sets(TABLE.allowed.numpy(), own_label_sets('camvid'), MIRROR)
    for set_id in own_label_sets('camvid'):
        assert table[set_id] == set_id
    outside = TABLE.label_set_of_label_id('gtsdb')[43]
    assert (
        mirrored_label_sets(TABLE.allowed.numpy(), own_label_sets('gtsdb'), MIRROR)[outside]
        == outside
    )


def test_a_set_of_leaves_becomes_the_row_of_the_mirrored_set_or_none() -> None:
    """Leaves: 0 and 1 swap, 2 stays, 3 has no mirror image."""
    allowed = np.array(
        [
            [1, 0, 0, 0],
            [0, 1, 0, 0],
            [1, 0, 1, 0],
            [0, 1, 1, 0],
            [1, 0, 0, 1],
            [0, 0, 0, 1],
            [1, 1, 0, 0],
        ]
    )
    mirror = np.array([1, 0, 2, -1])
    assert mirrored_label_sets(allowed, range(7), mirror).tolist() == [1, 0, 3, 2, -2, -2, 6]
    # The label sets of another dataset are not looked up.
    assert mirrored_label_sets(allowed, [0, 2, 3], mirror)[:4].tolist() == [-2, 0, 3, 2]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return how alike two images are, at most 1."""
    return float(np.corrcoef(first.astype(float).ravel(), second.astype(float).ravel())[0, 1])


def test_drawn_signs_look_in_the_mirror_like_their_partner() -> None:
    """A mirrored sign is most like its partner of all types; one without is not like itself."""
    faces = {name: draw_sign(name, 64, np.random.default_rng(1))[0] for name in SIGN_TYPES}
    for number, name in enumerate(SIGN_TYPES):
        mirrored = faces[name][:, ::-1]
        likest = max(faces, key=lambda other: correlation(mirrored, faces[other]))
        if number in PAIRS:
            assert likest == SIGN_TYPES[PAIRS[number]]
            assert correlation(mirrored, faces[name]) < correlation(mirrored, faces[likest])
        if number in SYMMETRIC:
            assert likest == name
            assert correlation(mirrored, faces[name]) > 0.97


def crop_with(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a crop with a drawn sign at the left, its label sets, and the table of GTSDB."""
    rgb, mask = draw_sign(name, 32, np.random.default_rng(2))
    image = np.full((48, 96, 3), 90, np.uint8)
    label_sets = np.full((48, 96), TABLE.label_set_of_label_id('gtsdb')[43], np.int16)
    image[8:40, 4:36] = np.where(mask[..., None], rgb, 90)
    label_sets[8:40, 4:36] = IGNORED
    label_sets[8:40, 4:36][mask] = TABLE.label_set_of_label_id('gtsdb')[SIGN_TYPES.index(name)]
    table = mirrored_label_sets(TABLE.allowed.numpy(), own_label_sets('gtsdb'), MIRROR)
    return image, label_sets, table


def test_a_mirrored_crop_shows_and_names_the_partner() -> None:
    """Image and labels are turned together, unlabeled pixels stay unlabeled."""
    image, label_sets, table = crop_with('d_bend_left')
    found = mirror_crop(image, label_sets, table)
    assert found is not None
    partner, partner_rows, _ = crop_with('d_bend_right')
    # Light and dirt on the two differ a little.
    shown = found[0][8:40, 60:92]
    assert correlation(shown, partner[8:40, 4:36]) > 0.97
    assert correlation(shown, partner[8:40, 4:36]) > correlation(shown, image[8:40, 4:36]) + 0.02
    right = TABLE.label_set_of_label_id('gtsdb')[20]
    np.testing.assert_array_equal(found[1] == right, (label_sets == right - 1)[:, ::-1])
    np.testing.assert_array_equal(found[1] == IGNORED, (label_sets == IGNORED)[:, ::-1])
    assert (partner_rows == right).any()
    assert found[1].dtype == np.int16
    assert found[0].flags.c_contiguous


def test_a_crop_with_digits_is_left_as_it_is() -> None:
    """However many other signs are in it."""
    image, label_sets, table = crop_with('p_limit_80')
    assert mirror_crop(image, label_sets, table) is None
    # With the sign outside, the same image is mirrored.
    found = mirror_crop(image[:, 40:], label_sets[:, 40:], table)
    assert found is not None
    np.testing.assert_array_equal(found[0], image[:, 40:][:, ::-1])
