# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes as a dataset, and the library of signs to paste."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.datasets import drawn as drawn_module
from hiseg_ros.datasets.drawn import DrawnScenes
from hiseg_ros.datasets.sample import Box
from hiseg_ros.datasets.scenes import LEAF_NAMES, SIGN_TYPES, DrawnScene
from hiseg_ros.datasets.sign_types import TYPE_COUNT, sign_shape
from hiseg_ros.errors import DatasetError, MappingError
from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.data.repeats import Repeats
from hiseg_ros.training.data.sign_library import sign_library
from hiseg_ros.training.data.training_set import LabelledImage, TrainingSet

SIZE = (48, 64)


class HereAndNow:
    """Stands for the pool of processes: does the work in this one."""

    def __init__(self, *_args: object, **_options: object) -> None:
        """Take what a pool takes."""

    def __enter__(self) -> HereAndNow:
        """Return itself."""
        return self

    def __exit__(self, *_problem: object) -> None:
        """Do nothing."""

    def map(self, function: Callable[[int], None], items: Iterable[int]) -> list[None]:
        """Call the function on every item."""
        return [function(item) for item in items]


@pytest.fixture
def drawn_seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Draw flat scenes in this process and say which seeds were drawn."""
    seeds: list[int] = []

    def draw(seed: int, size: tuple[int, int]) -> DrawnScene:
        seeds.append(seed)
        labels = np.full(size, seed, np.uint8)
        labels[0] = 255
        return DrawnScene(np.full((*size, 3), 10 * seed, np.uint8), labels, ())

    monkeypatch.setattr(drawn_module, 'draw_scene', draw)
    monkeypatch.setattr(drawn_module, 'ProcessPoolExecutor', HereAndNow)
    return seeds


def test_scenes_are_drawn_once_and_kept(drawn_seeds: list[int], tmp_path: Path) -> None:
    """Only what the folder lacks is drawn; sizes and seeds do not mix."""
    first = DrawnScenes(tmp_path, 3, SIZE)
    assert drawn_seeds == [0, 1, 2]
    assert len(first) == 3
    sample = first[2]
    assert sample.name == 'drawn_000002'
    assert sample.image.shape == (*SIZE, 3)
    assert np.abs(sample.image.astype(int) - 20).max() <= 3
    assert sample.label_ids[0, 0] == 255
    assert (sample.label_ids[1:] == 2).all()
    DrawnScenes(tmp_path, 5, list(SIZE))  # type: ignore[arg-type] # as YAML gives it
    assert drawn_seeds == [0, 1, 2, 3, 4]
    later = DrawnScenes(tmp_path, 2, SIZE, first_seed=4)
    assert drawn_seeds == [0, 1, 2, 3, 4, 5]
    assert [later[i].name for i in range(2)] == ['drawn_000004', 'drawn_000005']
    DrawnScenes(tmp_path, 1, (32, 32))
    assert drawn_seeds[-1] == 0


def test_a_scene_that_was_not_finished_is_drawn_again(
    drawn_seeds: list[int], tmp_path: Path
) -> None:
    """An interrupted drawing leaves no half scene behind."""
    scenes = DrawnScenes(tmp_path, 2, SIZE)
    (scenes.folder / '000001.png').rename(scenes.folder / '000001.partial.png')
    DrawnScenes(tmp_path, 2, SIZE)
    assert drawn_seeds == [0, 1, 1]
    assert (scenes[1].label_ids[1:] == 1).all()


def test_a_folder_that_cannot_be_written_or_no_scene_at_all_is_refused(tmp_path: Path) -> None:
    """Both are said in words."""
    (tmp_path / 'file').write_text('')
    with pytest.raises(DatasetError, match='cannot be written'):
        DrawnScenes(tmp_path / 'file', 1, SIZE)
    with pytest.raises(DatasetError, match='drawn scenes is 0'):
        DrawnScenes(tmp_path, 0, SIZE)


def test_a_real_scene_is_drawn_by_another_process_and_has_known_labels(tmp_path: Path) -> None:
    """The drawing code itself, once, in a process of its own."""
    sample = DrawnScenes(tmp_path, 1, (64, 96))[0]
    assert sample.image.shape == (64, 96, 3)
    names = {LEAF_NAMES[i] for i in np.unique(sample.label_ids).tolist() if i != 255}
    assert 'Road' in names
    assert len(names) > 3


def test_every_drawn_label_is_one_leaf(small_taxonomy: Taxonomy) -> None:
    """In the street tree; a tree without such a leaf is refused."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('drawn', taxonomy)
    for label in mapping.labels:
        (leaf,) = label.leaves
        assert taxonomy.nodes[leaf].name == label.name == LEAF_NAMES[label.label_id]
    assert mapping.unlabeled_ids == (255,)
    with pytest.raises(MappingError, match="names 'Bird'; expected a node"):
        load_mapping('drawn', small_taxonomy)


def test_the_drawn_sign_types_are_in_the_benchmarks_order() -> None:
    """Position in SIGN_TYPES = label id of GTSDB."""
    mapping = load_mapping('gtsdb', load_taxonomy('street'))
    assert [label.name for label in mapping.labels[:TYPE_COUNT]] == list(SIGN_TYPES)


def test_the_library_holds_real_and_drawn_signs_of_every_type() -> None:
    """Cut out by shape, with their label sets; for a frequent type half as many are drawn."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb')])
    label_sets = table.label_set_of_label_id('gtsdb')
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    boxes = (*[Box(10, 5, 40, 35, 14)] * 8, Box(50, 5, 65, 20, 1), Box(40, 30, 79, 59, 13))
    entry = LabelledImage(image, np.zeros((60, 80), np.int16), boxes)
    training_set = TrainingSet(DatasetConfig('gtsdb', '', 1), [entry], Repeats.none(1))
    library = sign_library(training_set, label_sets, 2, seed=1)
    assert [len(cutouts) for cutouts in library] == [
        {14: 8 + 4, 13: 1 + 2}.get(label_id, 2) for label_id in range(TYPE_COUNT)
    ]
    for label_id, cutouts in enumerate(library):
        for cutout in cutouts:
            assert cutout.label_set_id == label_sets[label_id]
            assert cutout.rgb.shape == (*cutout.mask.shape, 3)
            assert cutout.mask.dtype == bool
            assert 0.3 < cutout.mask.mean() < 1
    real = library[14][0]
    np.testing.assert_array_equal(real.rgb, image[5:36, 10:41])
    np.testing.assert_array_equal(real.mask, sign_shape(14, 31, 31))
    assert not np.shares_memory(real.rgb, image)
    again = sign_library(training_set, label_sets, 2, seed=1)
    assert all(
        np.array_equal(one.rgb, other.rgb)
        for ones, others in zip(library, again, strict=True)
        for one, other in zip(ones, others, strict=True)
    )
