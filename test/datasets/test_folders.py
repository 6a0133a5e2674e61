# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Folders of images and label files that pair up by name, and the worked example of the page."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dataset_files import write_image, write_labels

from hiseg_ros.cli.shared.labelled_sets import dataset_of, mapping_of_options, samples_of
from hiseg_ros.datasets import DATASETS, DatasetEntry, mapping_of, open_dataset
from hiseg_ros.datasets.file_checks import spread
from hiseg_ros.datasets.folder import LabelledFolder
from hiseg_ros.datasets.registry import Measure
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.comparison.scores import open_test_sets
from hiseg_ros.training.config.dataset import DatasetConfig


def test_a_folder_of_pairs_needs_a_mapping_and_patterns_only(tmp_path: Path) -> None:
    """Any dataset of images and label files, without a line of Python."""
    for scene, name in (('a', '1'), ('a', '2'), ('b', '1')):
        write_image(tmp_path / f'rgb/{scene}/{name}.png')
        write_labels(tmp_path / f'truth/{scene}-{name}.labels.png', 3)
    mapping = tmp_path / 'mine.yaml'
    mapping.write_text('name: mine\nlabels:\n  - {id: 3, name: road, nodes: [Driveable]}\n')
    options = {
        'mapping': str(mapping),
        'images': 'rgb/*/*.png',
        'labels': 'truth/*-*.labels.png',
    }
    dataset = open_dataset('folder', tmp_path, options)
    assert [dataset[i].name for i in range(len(dataset))] == ['a_1', 'a_2', 'b_1']
    assert (dataset[0].label_ids == 3).all()
    taxonomy = load_taxonomy('street')
    found = mapping_of('folder', taxonomy, options)
    assert found.labels[0].name == 'road'
    assert found.name == dataset.mapping_name == 'mine', 'the label table knows it by its name'
    with pytest.raises(ConfigError, match='expected the option mapping'):
        mapping_of('folder', taxonomy)
    with pytest.raises(DatasetError, match=r'other numbers of \*'):
        LabelledFolder(tmp_path, str(mapping), 'rgb/*/*.png', 'truth/*.labels.png')
    with pytest.raises(DatasetError, match=r'has no file jpg/\*\.jpg'):
        LabelledFolder(tmp_path, str(mapping), 'jpg/*.jpg', 'truth/*.png')


def city(root: Path, *files: list[int]) -> Path:
    """Write a folder of images whose label files have these ids, a column each."""
    for number, ids in enumerate(files):
        write_image(root / f'images/{number}.jpg', size=(8, len(ids)))
        write_labels(root / f'labels/{number}.png', ids, (8, len(ids)))
    return root


@pytest.mark.parametrize('mapping', ['cityscapes', 'cityscapes_labelids', 'cityscapes_19'])
def test_train_ids_are_no_label_ids(tmp_path: Path, mapping: str) -> None:
    """Road, building, pole, vegetation, sky and car, as any street has."""
    root = city(tmp_path / 'street', [0, 1, 2, 255], [0, 5, 8, 10, 13])
    with pytest.raises(DatasetError) as found:
        LabelledFolder(root, mapping)
    said = str(found.value)
    assert 'and 1 others have the ids [0, 1, 2, 5, 8, 10, 13, 255], none from 19 to 34' in said
    assert 'these are train ids: take the mapping cityscapes_trainids, or the other' in said
    assert len(LabelledFolder(root, 'cityscapes_trainids')) == 2


def test_label_ids_are_no_train_ids(tmp_path: Path) -> None:
    root = city(tmp_path / 'street', [7, 8, 11], [4, 5, 7, 21, 23, 26])
    with pytest.raises(DatasetError, match=r'have the id 21, which only labelIds have; expected'):
        LabelledFolder(root, 'cityscapes_trainids')
    assert len(LabelledFolder(root, 'cityscapes')) == 2


def test_a_folder_of_own_label_ids_may_show_no_street(tmp_path: Path) -> None:
    """A yard of road, fence and wall, with 0, 255 or two more kinds of void."""
    own = ([7, 8, 11, 0], [7, 12, 13, 255], [7, 9, 0, 4, 255], [7], [0, 4, 5, 33])
    for number, ids in enumerate(own):
        root = city(tmp_path / str(number), ids)
        for mapping in ('cityscapes', 'cityscapes_labelids'):
            assert len(LabelledFolder(root, mapping)) == 1
    assert len(LabelledFolder(city(tmp_path / 'indoor', [0, 1, 18]), 'cityscapes_trainids')) == 1


def test_the_worked_example_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping, the entry of an experiment, the loader and its entry, as printed there."""
    page = (Path(__file__).parents[2] / 'docs' / 'datasets.md').read_text()
    example = page[page.index('## A dataset of your own') :]
    mapping, entry = re.findall(r'```yaml\n(.*?)```', example, re.DOTALL)
    code, registration = re.findall(r'```python\n(.*?)```', example, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path('yard.yaml').write_text(mapping)
    for day in (1, 2):
        write_image(tmp_path / f'yard/day{day}/rgb/0001.png')
        write_labels(tmp_path / f'yard/day{day}/ids/0001_ids.png', day)
    config = DatasetConfig(**yaml.safe_load(entry)['yard'])
    dataset = open_dataset(config.kind, config.root, config.options)
    assert [dataset[i].name for i in range(2)] == ['1_0001', '2_0001']
    found = mapping_of(config.kind, load_taxonomy('street'), config.options)
    assert [label.name for label in found.labels] == ['ground', 'people', 'vehicle']
    names: dict[str, Any] = {}
    exec(code, names)  # printed, and meant to be run
    loader = names['Yard']
    assert (loader(tmp_path / 'yard', 'day2')[0].label_ids == 2).all()
    monkeypatch.setitem(sys.modules, 'hiseg_ros.datasets.yard', SimpleNamespace(Yard=loader))
    # The entry stands inside the dict DATASETS.
    entries = eval(f'{{{registration}}}', {'DatasetEntry': DatasetEntry, 'Measure': Measure})
    assert list(entries) == ['yard']
    monkeypatch.setitem(DATASETS, 'yard', entries['yard'])
    options = Namespace(
        dataset='yard', root='yard', split='val', drive=[], mapping='yard.yaml', limit=0
    )
    measured = dataset_of(options)
    assert [sample.name for sample in samples_of(measured, options, [])] == ['0001']
    assert (measured[0].label_ids == 2).all()
    assert mapping_of_options(options, load_taxonomy('street')) == found
    training = DatasetConfig('yard', 'yard', 1)
    assert open_test_sets({'yard': training})[0].options == {'day': 'day2'}


def test_a_limit_takes_images_from_the_whole_list() -> None:
    assert spread('abcdefghij', 3) == ['a', 'd', 'g']
    assert spread('abc', 0) == spread('abc', 3) == spread('abc', 9) == ['a', 'b', 'c']
    for limit in (-1, True, '3', 1.5):
        with pytest.raises(DatasetError, match='limit'):
            spread('abc', limit)  # type: ignore[arg-type]
