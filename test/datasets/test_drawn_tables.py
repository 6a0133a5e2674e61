# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tables of drawn labels in config/mappings: checked when read, and never renumbered."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.drawn_formats import label_ids_of_leaves, vistas_labels
from hiseg_ros.datasets.scenes import LEAF_NAMES, SIGN_TYPES, draw_scene
from hiseg_ros.datasets.scenes.drawing.scene import OTHER_SIGN, read_leaf_names
from hiseg_ros.errors import MappingError
from hiseg_ros.resources import config_path


def digest(content: object) -> str:
    """Return the first half of a SHA-256 over the text of something."""
    return sha256(repr(content).encode()).hexdigest()[:32]


def test_the_ids_of_drawn_labels_are_what_they_were_when_scenes_were_written() -> None:
    """Label images of drawn scenes lie on disks and in weights: an id keeps its leaf."""
    published = [(entry['name'], entry['readable']) for entry in vistas_labels()]
    found = {
        'leaves': digest(LEAF_NAMES),
        'sign types': digest(SIGN_TYPES),
        'ids of Cityscapes': digest(label_ids_of_leaves('cityscapes', 0).tolist()),
        'ids of Vistas': digest(label_ids_of_leaves('vistas', 65).tolist()),
        'names of Vistas': digest(published),
    }
    assert found == {
        'leaves': '638e60ac225721580ad673ec042870c2',
        'sign types': '7c98044c2a4ab5060b8fc5438a6a7d4c',
        'ids of Cityscapes': '23b5dd74b1a3764b579e886f5fed0113',
        'ids of Vistas': '541b10446042891cbf9ea93e41ea85d7',
        'names of Vistas': 'e268dbff0c0f50246a4e9ffcac48a48e',
    }
    assert LEAF_NAMES[-1] == OTHER_SIGN


LABELS = {
    0: (
        '1b1b1b1b1b1b1b1b1b1b1b2d1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b2d1b1b1b1b'
        '1e191e191e3c3c352d19192d1919191e1c1c1e1c1c3c3c350e05052d1c1c1c1e'
        '1c0e0d0d0d0d0d0d0d0d0e0e050505050d0d0d0d0d0d0d0d0d0d0d180e0e0e05'
        '0d0d0d0d0d0d0d0d0d0d0d0d0d0d0e0e0d0d0d0d0d0d0d0d0d0d0d0d0d0d180e'
    ),
    4: (
        '1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b11'
        '1b1e1b1b1919191919191e63631919111e1e1e191e1e1e1e196b1e1e1e1e1e11'
        '34341f3636360d36361d1d1d1d1d1d111d1d3636360d0d0d0d0d1d1d1d1d1d1d'
        '0d0d0d0d0d0d0d0d0d0d0d1d1d1d1d1d0d0d3f3f3f3f3f3f3f3f3f3f3f3f1d1d'
    ),
}
"""By seed of the scene: every sixteenth label, row by row, in hexadecimal."""


@pytest.mark.parametrize('seed', LABELS)
def test_a_seed_gives_the_scene_that_it_always_gave(seed: int) -> None:
    """All but a few pixels at edges, which another version of OpenCV may draw differently."""
    labels = draw_scene(seed, (128, 256)).labels[8::16, 8::16]
    expected = np.frombuffer(bytes.fromhex(LABELS[seed]), np.uint8).reshape(8, 16)
    assert (labels == expected).mean() > 0.97


def test_the_leaves_of_vistas_come_first_and_the_signs_after_them() -> None:
    vistas = [label.name for label in read_dataset_labels('vistas').labels]
    assert list(LEAF_NAMES[: len(vistas) - 1]) == [
        name for name in vistas if name != 'Traffic Sign (Front)'
    ]
    assert LEAF_NAMES[len(vistas) - 1 : -1] == SIGN_TYPES


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('{id: 5,', '{id: 6,', r'has the ids .*; expected ids in order from 0'),
        ('name: o_stop', 'name: stop', r"lacks the labels \['o_stop'\]; expected every sign"),
        ('name: other sign', 'name: rest', r"lacks the labels \['other sign'\]"),
        ('name: drawn\n', '', 'cannot be read'),
    ],
)
def test_a_table_of_leaves_that_cannot_be_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = config_path('mappings/drawn.yaml').read_text()
    assert text.count(old) == 1
    path = tmp_path / 'leaves.yaml'
    path.write_text(text.replace(old, new))
    with pytest.raises(MappingError, match=words):
        read_leaf_names(str(path))
