# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes written as Cityscapes, Vistas and GTSDB, and read back by their loaders."""

from __future__ import annotations

import json
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets import drawn_export, open_dataset
from hiseg_ros.datasets.drawn_export import (
    draw_and_write,
    plan_scenes,
    scene_seed,
    write_drawn_scenes,
)
from hiseg_ros.datasets.drawn_formats import label_ids_of_leaves, vistas_labels
from hiseg_ros.datasets.gtsdb import TEST_NUMBERS
from hiseg_ros.datasets.registry import DATASETS, names_of_drawn_formats
from hiseg_ros.datasets.scenes import LEAF_NAMES, SIGN_TYPES, DrawnScene, draw_scene
from hiseg_ros.datasets.sign_types import OUTSIDE_ALL_BOXES
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy

SIZE = (128, 256)
COUNT = 3
"""Number 0 goes to val."""

FORMATS_IN_CODE = tuple(name for name in names_of_drawn_formats() if not DATASETS[name].layout)
"""Formats that no file in config/layouts describes: test_layouts.py tests those."""

drawn = cache(draw_scene)


def draw_here(jobs: list[drawn_export.SceneJob]) -> list[str]:
    """Draw without other processes."""
    return [line for job in jobs for line in draw_and_write(job)]


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of three scenes in each format that has code of its own."""
    folders = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_export, '_draw_all', draw_here)
        patch.setattr(drawn_export, 'draw_scene', drawn)
        for layout in FORMATS_IN_CODE:
            folders[layout] = tmp_path_factory.mktemp('written') / layout
            counts = write_drawn_scenes(layout, folders[layout], COUNT, SIZE)
            assert counts == {'train': 2, 'val': 1}
    return folders


def scenes(layout: str, numbers: tuple[int, ...]) -> list[DrawnScene]:
    return [drawn(scene_seed(layout, 0, number), SIZE) for number in numbers]


@pytest.mark.parametrize('layout', ['cityscapes', 'vistas'])
@pytest.mark.parametrize(('split', 'numbers'), [('train', (1, 2)), ('val', (0,))])
def test_a_drawn_scene_comes_back_with_the_label_of_each_leaf(
    written: dict[str, Path], layout: str, split: str, numbers: tuple[int, ...]
) -> None:
    """The label id that allows the drawn leaf; where none does, the dataset's void."""
    taxonomy = load_taxonomy('street')
    labels = {label.label_id: label for label in load_mapping(layout, taxonomy).labels}
    void = {'cityscapes': 0, 'vistas': 65}[layout]
    dataset = open_dataset(layout, written[layout], {'split': split})
    assert len(dataset) == len(numbers)
    for index, scene in enumerate(scenes(layout, numbers)):
        sample = dataset[index]
        assert np.abs(sample.image.astype(int) - scene.rgb).mean() < 4
        if layout == 'cityscapes':
            np.testing.assert_array_equal(sample.image, scene.rgb)
        for leaf in np.unique(scene.labels).tolist():
            (label_id,) = np.unique(sample.label_ids[scene.labels == leaf]).tolist()
            node = None if leaf == 255 else taxonomy.node_id(LEAF_NAMES[leaf])
            if label_id == void:
                assert node is None or not any(node in label.leaves for label in labels.values())
            else:
                assert node in labels[label_id].leaves


def test_every_leaf_has_at_most_one_label_and_the_void_ids_are_the_publishers() -> None:
    taxonomy = load_taxonomy('street')
    for layout, void in (('cityscapes', 0), ('vistas', 65)):
        mapping = load_mapping(layout, taxonomy)
        assert void in mapping.unlabeled_ids
        table = label_ids_of_leaves(layout, void)
        for leaf, name in enumerate(LEAF_NAMES):
            node = taxonomy.node_id(name)
            owners = [label.label_id for label in mapping.labels if node in label.leaves]
            assert owners == ([] if table[leaf] == void else [table[leaf]])
        assert table[255] == void
    assert (label_ids_of_leaves('vistas', 65)[: len(LEAF_NAMES)] != 65).all()


def test_the_files_have_the_names_and_encodings_of_their_data_set(
    written: dict[str, Path],
) -> None:
    root = written['cityscapes']
    path = root / 'gtFine/val/drawn/drawn_000000_000019_gtFine_labelIds.png'
    with Image.open(path) as opened:
        assert (opened.mode, opened.size) == ('L', (256, 128))
    assert (root / 'leftImg8bit/val/drawn/drawn_000000_000019_leftImg8bit.png').is_file()
    root = written['vistas']
    with Image.open(root / 'training/v1.2/labels/drawn_000001.png') as opened:
        assert opened.mode == 'P'
        palette = np.array(opened.getpalette()).reshape(-1, 3)
    labels = json.loads((root / 'config_v1.2.json').read_text())['labels']
    assert len(labels) == 66
    assert [label['color'] for label in labels] == palette[:66].tolist()
    names = {label['readable']: label['name'] for label in labels}
    assert names['Bird'] == 'animal--bird'
    assert names['Barrier'] == 'construction--barrier--other-barrier'
    assert names['Other Rider'] == 'human--rider--other-rider'
    assert names['Traffic Sign Frame'] == 'object--support--traffic-sign-frame'
    assert names['Traffic Sign (Front)'] == 'object--traffic-sign--front'
    assert names['Ego Vehicle'] == 'void--ego-vehicle'
    assert names['Unlabeled'] == 'void--unlabeled'
    assert len(set(names.values())) == len(vistas_labels())
    with Image.open(written['gtsdb'] / 'FullIJCNN2013/00002.ppm') as opened:
        assert (opened.format, opened.size) == ('PPM', (256, 128))


def test_drawn_signs_come_back_as_boxes_of_their_type(written: dict[str, Path]) -> None:
    """Every visible sign of the 43 types of at least two pixels; all else is outside."""
    dataset = open_dataset('gtsdb', written['gtsdb'], {'part': 'all', 'negatives': True})
    assert len(dataset) == COUNT
    total = 0
    for index, scene in enumerate(scenes('gtsdb', tuple(range(COUNT)))):
        sample = dataset[index]
        np.testing.assert_array_equal(sample.image, scene.rgb)
        expected = {
            (box.x1, box.y1, box.x2 - 1, box.y2 - 1, SIGN_TYPES.index(box.name))
            for box in scene.boxes
            if box.x2 - box.x1 >= 2 and box.y2 - box.y1 >= 2
        }
        total += len(expected)
        found = {(box.x1, box.y1, box.x2, box.y2, box.label_id) for box in sample.boxes}
        assert found == expected
        # The drawn pixels of a type lie in boxes of that type, the tiniest ones included.
        for name in SIGN_TYPES:
            inside = np.zeros(SIZE, bool)
            for box in scene.boxes:
                inside[box.y1 : box.y2, box.x1 : box.x2] |= box.name == name
            assert not (scene.labels == LEAF_NAMES.index(name))[~inside].any()
        boxed = np.zeros(SIZE, bool)
        for x1, y1, x2, y2, _ in expected:
            boxed[y1 : y2 + 1, x1 : x2 + 1] = True
        np.testing.assert_array_equal(sample.label_ids == OUTSIDE_ALL_BOXES, ~boxed)
    assert total > 2
    held_out = open_dataset('gtsdb', written['gtsdb'], {'part': 'held_out', 'negatives': True})
    assert [held_out[i].name for i in range(len(held_out))] == ['00000']


def test_splits_and_formats_and_seeds_never_share_a_scene(tmp_path: Path) -> None:
    """Written together or one after the other."""
    plans = [
        plan_scenes(layout, tmp_path, 40, SIZE, seed, split)
        for layout in names_of_drawn_formats()
        for seed in (0, 1)
        for split in ('train', 'val')
    ]
    seeds = [job.seed for plan in plans for job in plan]
    assert len(set(seeds)) == len(seeds) == 40 * len(plans)
    both = plan_scenes('vistas', tmp_path, 10, SIZE, 0, None)
    assert [(job.number, job.split) for job in both] == [
        (number, 'train' if number % 5 else 'val') for number in range(10)
    ]
    assert {job.seed for job in both} <= set(seeds)
    numbers = [job.number for job in plan_scenes('gtsdb', tmp_path, 700, SIZE, 0, None)]
    assert not set(numbers) & set(TEST_NUMBERS), 'they are the test images of the benchmark'
    assert len(numbers) == 700


def test_another_process_draws_the_same_bytes(tmp_path: Path, written: dict[str, Path]) -> None:
    """The real pool, once."""
    write_drawn_scenes('gtsdb', tmp_path / 'new', 2, SIZE)
    for name in ('00000.ppm', '00001.ppm'):
        old = written['gtsdb'] / 'FullIJCNN2013' / name
        assert (tmp_path / 'new' / 'FullIJCNN2013' / name).read_bytes() == old.read_bytes()


def test_a_folder_in_use_and_values_of_no_use_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine.txt').write_text('')
    (tmp_path / 'file').write_text('')
    for name in ('full', 'full/mine.txt', 'file'):
        with pytest.raises(DatasetError, match='is not an empty folder'):
            write_drawn_scenes('vistas', tmp_path / name, 2, SIZE)
    with pytest.raises(DatasetError, match='cannot be written'):
        write_drawn_scenes('vistas', tmp_path / 'file' / 'below', 2, SIZE)
    for change, message in (
        ({'layout': 'kitty'}, "format is 'kitty'; expected one of"),
        ({'count': 1}, 'scenes is 1; expected at least 2'),
        ({'count': 0, 'split': 'val'}, 'scenes is 0; expected at least 1'),
        ({'size': (16, 320)}, r'size is \(16, 320\)'),
        ({'seed': -1}, 'seed is -1'),
        ({'split': 'test'}, "split is 'test'"),
    ):
        given = {'layout': 'vistas', 'count': 2, 'size': SIZE, 'seed': 0, 'split': None, **change}
        with pytest.raises(ConfigError, match=message):
            write_drawn_scenes(folder=tmp_path / 'new', **given)  # type: ignore[arg-type]
    assert not (tmp_path / 'new').exists()


def test_a_full_disk_and_a_killed_process_are_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(drawn_export, '_draw_all', draw_here)
    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', full)
        with pytest.raises(DatasetError, match=r'cannot be written to .*No space left.*room on'):
            write_drawn_scenes('cityscapes', tmp_path / 'a', 2, (64, 96))
    monkeypatch.undo()

    class Killed:
        def __init__(self, *_args: object, **_options: object) -> None: ...

        def map(self, *_args: object) -> None:
            raise BrokenProcessPool

        def shutdown(self, **_options: object) -> None: ...

    monkeypatch.setattr(drawn_export, 'ProcessPoolExecutor', Killed)
    with pytest.raises(DatasetError, match='was killed; expected about'):
        write_drawn_scenes('cityscapes', tmp_path / 'b', 2, (64, 96))


def test_scenes_without_a_sign_are_no_sign_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn_export, '_draw_all', lambda _jobs: [])
    with pytest.raises(DatasetError, match='show no sign of the 43 types'):
        write_drawn_scenes('gtsdb', tmp_path / 'a', 2, SIZE)
