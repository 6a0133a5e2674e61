# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The registry of datasets: each entry fits its loader, and nothing else compares their names."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import write_image, write_labels

import hiseg_ros
from hiseg_ros.datasets import DATASETS, dataset_entry, mapping_of, open_dataset
from hiseg_ros.datasets.drawn_formats import DrawnFormat
from hiseg_ros.datasets.registry import Measure, names_of_drawn_formats
from hiseg_ros.datasets.sample import Box, Sample
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.comparison.scores import open_test_sets
from hiseg_ros.training.config.dataset import DatasetConfig

PACKAGE = Path(hiseg_ros.__file__).parent
DOCS = PACKAGE.parent / 'docs'


def options_of(name: str) -> list[str]:
    """Return the options that a loader takes beside its folder."""
    return list(inspect.signature(DATASETS[name].load_loader()).parameters)[1:]


@pytest.mark.parametrize('name', DATASETS)
def test_an_entry_names_options_that_its_loader_has(name: str) -> None:
    entry, options = DATASETS[name], options_of(name)
    named = {key for split in entry.splits.values() for key in split}
    named |= {*entry.kept_out_options, *(entry.default_validation or {})}
    if entry.drives:
        named |= {entry.drives.keep, entry.drives.leave_out}
    if entry.count_option:
        named.add(entry.count_option)
    if not entry.mapping:
        named.add('mapping')
    assert named <= set(options)
    assert not entry.kept_out or entry.kept_out in entry.splits


@pytest.mark.parametrize('name', DATASETS)
def test_an_entry_has_the_mapping_of_its_loader_and_can_be_measured_as_it_says(name: str) -> None:
    entry = DATASETS[name]
    if not entry.mapping:
        with pytest.raises(ConfigError, match='expected the option mapping'):
            mapping_of(name, load_taxonomy('street'))
        return
    assert inspect.getattr_static(entry.load_loader(), 'mapping_name') == entry.mapping
    mapping = mapping_of(name, load_taxonomy('street'))
    assert mapping.name == entry.mapping
    # Images without labels have none of their mapping's but "unlabeled".
    has_labels = name != 'unlabelled'
    assert (has_labels and bool(mapping.evaluated_labels)) == (entry.measure is not None)
    assert (entry.measure is Measure.SIGNS) == entry.has_sign_boxes
    assert mapping.from_boxes == (has_labels and entry.measure is not Measure.PIXELS)


def test_drawn_formats_have_seeds_of_their_own() -> None:
    with_layouts = tuple(name for name, entry in DATASETS.items() if entry.layout)
    assert names_of_drawn_formats() == ('cityscapes', 'vistas', 'gtsdb', *with_layouts)
    formats = [DATASETS[name].load_drawn_format() for name in names_of_drawn_formats()]
    assert all(isinstance(one, DrawnFormat) for one in formats)
    # The seeds decide the scenes: they stay what they were.
    assert [one.seed for one in formats] == list(range(18))


def test_the_page_lists_every_dataset_with_its_options() -> None:
    page = (DOCS / 'datasets.md').read_text()
    rows = dict(re.findall(r'^\| `(\w+)` \|[^|]*\|([^|]*)\|$', page, re.MULTILINE))
    assert list(rows) == list(DATASETS)
    for name, cell in rows.items():
        cell, without_limit = re.sub(r'\([^)]*\)', '', cell), '(no `limit`)' in cell
        expected = set(options_of(name))
        assert ('limit' not in expected) == without_limit
        assert set(re.findall(r'`(\w+)`', cell)) == expected - {'limit'}


def test_open_dataset_says_which_options_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kind cityscapes has options .*'splt'.*'split', 'cit"):
        open_dataset('cityscapes', tmp_path, {'splt': 'val'})
    with pytest.raises(ConfigError, match=r"kind of dataset is 'kitty'; expected one of \['camv"):
        open_dataset('kitty', tmp_path)
    with pytest.raises(ConfigError, match='kitty'):
        mapping_of('kitty', load_taxonomy('street'))
    write_image(tmp_path / 'images/a.jpg')
    write_labels(tmp_path / 'labels/a.png', 3)
    assert len(open_dataset('folder', tmp_path, {'mapping': 'camvid', 'limit': 1})) == 1


class NamedSamples:
    """Stands for any dataset; remembers how it was opened."""

    mapping_name = 'camvid'

    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        """Remember."""
        self.opened = (kind, options)

    def __len__(self) -> int:
        """Return one."""
        return 1

    def __getitem__(self, index: int) -> Sample:
        """Return a black image."""
        black = np.zeros((8, 8), np.uint8)
        return Sample('x', np.zeros((8, 8, 3), np.uint8), black, (Box(0, 0, 1, 1, 0),))


def test_a_comparison_measures_on_what_training_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The part that is kept out, with the option that says which, and the left-out drives."""
    monkeypatch.setattr(
        'hiseg_ros.training.comparison.scores.open_dataset',
        lambda kind, root, options: NamedSamples(kind, dict(options)),
    )
    configs = {
        'streets': DatasetConfig('camvid', 'a', 1, options={'without_drives': ['0006R0']}),
        'cities': DatasetConfig('cityscapes', 'b', 1, options={'without_cities': ['ulm']}),
        'world': DatasetConfig('vistas', 'c', 1),
        'signs': DatasetConfig('gtsdb', 'd', 1, options={'part': 'train', 'held_out_every': 7}),
        'boxes': DatasetConfig('weak', 'e', 1),
        'drawn': DatasetConfig('drawn', 'f', 1, options={'count': 2, 'size': [64, 96]}),
        'own': DatasetConfig('folder', 'g', 1, options={'mapping': 'camvid'}),
    }
    tests = open_test_sets(configs)
    assert [(test.name, test.kind, test.options) for test in tests] == [
        ('streets', 'camvid', {'split': 'val'}),
        ('streets held-out drive', 'camvid', {'split': 'train', 'drives': ['0006R0']}),
        ('cities', 'cityscapes', {'split': 'val'}),
        ('world', 'vistas', {'split': 'validation'}),
        ('signs', 'gtsdb', {'part': 'held_out', 'held_out_every': 7}),
    ]


# The rule, and what breaks it.


def names_in(source: str, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield line and name where code compares with a name or keeps a table by names."""
    for node in ast.walk(ast.parse(source)):
        values: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            values = [node.left, *node.comparators]
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            values = [*node.elts]
        elif isinstance(node, ast.Dict):
            values = [*node.keys]
        elif isinstance(node, ast.MatchValue):
            values = [node.value]
        for value in values:
            if isinstance(value, ast.Constant) and value.value in names:
                yield node.lineno, str(value.value)


def test_only_the_registry_compares_names_of_datasets() -> None:
    names = frozenset(DATASETS)
    registry = PACKAGE / 'datasets' / 'registry.py'
    assert {name for _, name in names_in(registry.read_text(), names)} == names
    found = [
        f'{path.relative_to(PACKAGE)}:{line}: {name!r}'
        for path in sorted(PACKAGE.rglob('*.py'))
        if path != registry
        for line, name in names_in(path.read_text(), names)
    ]
    assert found == []


@pytest.mark.parametrize(
    'source',
    [
        "if kind == 'camvid': pass",
        "x = kind != 'camvid'",
        "x = kind in ('vistas', 'camvid')",
        "x = kind in {'camvid'}",
        "choices = ['camvid', 'other']",
        "x = {'camvid': 1}.get(kind)",
        "match kind:\n    case 'camvid': pass",
        "match kind:\n    case 'a' | 'camvid': pass",
    ],
)
def test_a_name_outside_the_registry_is_found(source: str) -> None:
    assert 'camvid' in {name for _, name in names_in(source, frozenset({'camvid'}))}
    assert list(names_in('x = load_mapping("camvid", tree)', frozenset({'camvid'}))) == []


def test_an_unknown_dataset_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"is 'kitty'; expected one of \['camvid', 'cityscapes'"):
        dataset_entry('kitty')
