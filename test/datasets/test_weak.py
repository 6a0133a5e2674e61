# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Boxes and image tags: the mixture of each pixel, and files that cannot be used."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiseg_ros.datasets.mixtures import RelativeBox, weak_labels
from hiseg_ros.datasets.sample import FIRST_MIXTURE, LAST_MIXTURE
from hiseg_ros.datasets.weak import WeakImages
from hiseg_ros.errors import DatasetError, MappingError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable

BUS, CAR, PERSON, LIGHT = 1, 2, 6, 11
HEADER = 'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsDepiction,IsInside'
BOXES = f"""{HEADER}
a1,xclick,/m/0k4j,1,0,0.5,0,1,0,0,0
a1,xclick,/m/0k4j,1,0,0.5,0,1,0,0,0
a1,xclick,/m/01bjv,1,0.25,1,0,0.5,1,0,0
a1,xclick,/m/0dog,1,0,1,0,1,0,0,0
b2,xclick,/m/01g317,1,0,1,0,1,0,1,0
c3,xclick,/m/01g317,1,0.5,0.9,0.5,0.7,-1,-1,-1
gone,xclick,/m/0k4j,1,0,1,0,1,0,0,0
"""
TAGS = """ImageID,Source,LabelName,Confidence
a1,verification,/m/01g317,1
b2,verification,/m/0k4j,1
b2,verification,/m/01bjv,1
b2,verification,/m/015qff,0
d4,verification,/m/015qff,1
e5,verification,/m/0dog,1
"""
NAMES = """/m/0k4j,Car
/m/01bjv,Bus
/m/01g317,Person
/m/015qff,Traffic light
/m/0dog,Dog
"""


@pytest.fixture
def weak(tmp_path: Path) -> Path:
    """Return a folder of five images, two with boxes and two with tags alone."""
    for name in ('a1', 'b2', 'c3', 'd4', 'e5'):
        path = tmp_path / ('train' if name < 'c' else 'train_0') / f'{name}.jpg'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 40, 3), 99, np.uint8)).save(path)
    (tmp_path / 'train-annotations-bbox.csv').write_text(BOXES)
    (tmp_path / 'train-annotations-human-imagelabels.csv').write_text(TAGS)
    (tmp_path / 'class-descriptions-boxable.csv').write_text(NAMES)
    return tmp_path


def shares(label_ids: np.ndarray, mixtures: object, y: int, x: int) -> dict[int, float]:
    value = int(label_ids[y, x])
    if value == 255:
        return {}
    return dict(mixtures[value]) if value in mixtures else {value: 1.0}  # type: ignore


def test_two_cars_and_a_bus_over_a_pixel_are_two_thirds_and_a_third(weak: Path) -> None:
    dataset = WeakImages(weak)
    assert dataset.mapping_name == 'openimages'
    assert len(dataset) == 4, 'e5 has no class of the mapping'
    sample = dataset[0]
    assert sample.name == 'a1'
    seen = [
        shares(sample.label_ids, sample.mixtures, y, x)
        for y, x in ((2, 2), (2, 15), (2, 30), (15, 30))
    ]
    assert seen == [
        {CAR: 1.0},
        {CAR: pytest.approx(2 / 3), BUS: pytest.approx(1 / 3)},
        {BUS: 1.0},
        {},
    ]
    assert sample.label_ids.dtype == np.uint8
    assert [(box.x1, box.y1, box.x2, box.y2) for box in sample.boxes] == [
        (0, 0, 19, 19),
        (0, 0, 19, 19),
        (10, 0, 39, 9),
    ]


def test_an_image_without_boxes_has_its_tags_everywhere(weak: Path) -> None:
    """b2 has a box of a drawing of a person, which counts for nothing, and a tag denied."""
    dataset = WeakImages(weak)
    two, one = dataset[1], dataset[3]
    assert [two.name, one.name] == ['b2', 'd4']
    assert (two.label_ids == FIRST_MIXTURE).all()
    assert two.mixtures == {FIRST_MIXTURE: {BUS: 0.5, CAR: 0.5}}
    assert (one.label_ids == LIGHT).all()
    assert one.mixtures == {}
    assert {WeakImages(weak, labels='boxes')[i].name for i in range(2)} == {'a1', 'c3'}
    tagged = WeakImages(weak, labels='tags')
    assert [tagged[i].name for i in range(len(tagged))] == ['a1', 'b2', 'd4']
    assert (tagged[0].label_ids == PERSON).all()


def test_the_mixtures_of_an_image_are_known_without_reading_it(weak: Path) -> None:
    dataset = pickle.loads(pickle.dumps(WeakImages(weak)))
    assert [dataset.mixtures(i) for i in range(len(dataset))] == [
        dataset[i].mixtures for i in range(len(dataset))
    ]


def test_every_mixture_is_a_row_of_the_label_table(weak: Path) -> None:
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('openimages', taxonomy)])
    dataset = WeakImages(weak)
    rows = [table.add_mixture('openimages', m) for m in dataset[0].mixtures.values()]
    assert rows == [14]


def test_the_labels_are_the_14_classes_of_the_paper_in_either_tree() -> None:
    for tree in ('street', 'iv2018'):
        taxonomy = load_taxonomy(tree)
        mapping = load_mapping('openimages', taxonomy)
        assert [label.name for label in mapping.labels] == [
            'Bicycle',
            'Bus',
            'Car',
            'Motorcycle',
            'Train',
            'Truck',
            'Person',
            'Man',
            'Woman',
            'Boy',
            'Girl',
            'Traffic light',
            'Traffic sign',
            'Stop sign',
        ]
        assert mapping.from_boxes
        people = {label.leaves for label in mapping.labels[6:11]}
        assert len(people) == 1
        rider = taxonomy.node_id('Bicyclist')
        assert rider in next(iter(people)), 'who sits on a bicycle has a box of a person'


def reference(boxes: list[RelativeBox], size: tuple[int, int]) -> list[list[dict[int, float]]]:
    """Return the shares of each pixel, box by box over its centre."""
    height, width = size
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            u, v = (x + 0.5) / width, (y + 0.5) / height
            over = Counter(
                box.label_id for box in boxes if box.x1 <= u < box.x2 and box.y1 <= v < box.y2
            )
            row.append({i: count / over.total() for i, count in over.items()})
        rows.append(row)
    return rows


@pytest.mark.parametrize('seed', range(8))
def test_shares_are_those_of_the_boxes_over_each_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(int(rng.integers(1, 7))):  # up to six boxes the shares are exact
        (x1, x2), (y1, y2) = np.sort(rng.random((2, 2)), axis=1)
        boxes.append(RelativeBox(x1, y1, x2, y2, int(rng.integers(4))))
    size = (13, 17)
    labels = weak_labels(boxes, [])
    label_ids = labels.label_ids(size)
    for y, row in enumerate(reference(boxes, size)):
        for x, expected in enumerate(row):
            assert shares(label_ids, labels.mixtures, y, x) == pytest.approx(expected)


def test_of_many_boxes_the_shares_are_twelfths_that_add_up_to_one() -> None:
    boxes = [RelativeBox(0, 0, 1, 1, label_id) for label_id in [1] * 8 + [2] * 3 + [3] * 2]
    (mixture,) = weak_labels(boxes, []).mixtures.values()
    assert sum(mixture.values()) == pytest.approx(1)
    for label_id, count in ((1, 8), (2, 3), (3, 2)):
        assert mixture[label_id] == pytest.approx(count / 13, abs=1 / 12)
        assert mixture[label_id] * 12 == pytest.approx(round(mixture[label_id] * 12))
    crowd = [RelativeBox(0, 0, 1, 1, 1)] * 40 + [RelativeBox(0, 0, 1, 1, 2)]
    labels = weak_labels(crowd, [])
    assert labels.mixtures == {}
    assert labels.values.tolist() == [[1]], 'what rounds to nothing is left out'


def test_of_more_than_55_mixtures_the_smallest_are_left_unlabeled() -> None:
    """Strips that grow to the right; each shows another pair of classes."""
    pairs = [(i, j) for i in range(12) for j in range(i)][:60]
    edges = np.cumsum(np.arange(61)) / np.arange(61).sum()
    boxes = [
        RelativeBox(edges[k], 0, edges[k + 1], 1, label_id)
        for k, pair in enumerate(pairs)
        for label_id in pair
    ]
    labels = weak_labels(boxes, [])
    assert sorted(labels.mixtures) == list(range(FIRST_MIXTURE, LAST_MIXTURE + 1))
    assert [int(value) for value in labels.values[0]] == [255] * 5 + list(range(254, 199, -1))
    for mixture in labels.mixtures.values():
        assert set(mixture.values()) == {0.5}


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('a1,x,/m/0k4j,1,0.5,1.01,0,1,0,0,0', r"Line 9 .*\['0\.5', '1\.01', '0', '1'\] of image"),
        ('a1,x,/m/0k4j,1,0.5,0.4,0,1,0,0,0', 'expected 0 <= XMin <= XMax <= 1'),
        ('a1,x,/m/0k4j,1,-0.1,0.4,0,1,0,0,0', 'Line 9'),
        ('a1,x,/m/0k4j,1,nan,0.4,0,1,0,0,0', 'Line 9'),
        ('a1,x,/m/0k4j,1,left,0.4,0,1,0,0,0', 'Line 9'),
        ('a1,x,/m/0k4j,1,0.1,0.4', 'Line 9 .* has 6 fields; expected 11'),
        ('a1,"x', 'cannot be read'),
    ],
)
def test_a_line_that_cannot_be_right_is_named(weak: Path, line: str, message: str) -> None:
    with (weak / 'train-annotations-bbox.csv').open('a') as file:
        file.write(line + '\n')
    with pytest.raises(DatasetError, match=message):
        WeakImages(weak)


def test_files_that_are_missing_or_of_another_kind_are_named(weak: Path) -> None:
    boxes, tags = (
        weak / f'train-annotations-{name}.csv' for name in ('bbox', 'human-imagelabels')
    )
    tags.write_text('ImageID,LabelName\n')
    with pytest.raises(DatasetError, match=r"imagelabels\.csv has the columns .*\['Confidence'\]"):
        WeakImages(weak)
    tags.write_text(TAGS + 'a1,verification,/m/0k4j,sure\n')
    with pytest.raises(DatasetError, match="Line 8 .* the confidence 'sure'"):
        WeakImages(weak)
    tags.unlink()
    assert len(WeakImages(weak)) == 2
    boxes.write_bytes(b'\xff\xfe\x00' * 9)
    with pytest.raises(DatasetError, match=r'bbox\.csv cannot be read'):
        WeakImages(weak)
    boxes.rename(weak / 'mine.csv')
    with pytest.raises(DatasetError, match='has no train-annotations-bbox'):
        WeakImages(weak)
    (weak / 'mine.csv').write_text(BOXES)
    assert len(WeakImages(weak, boxes='mine.csv')) == 2
    with pytest.raises(DatasetError, match=r'yours\.csv does not exist'):
        WeakImages(weak, boxes='yours.csv')
    with pytest.raises(DatasetError, match="labels are 'masks'"):
        WeakImages(weak, labels='masks')
    with pytest.raises(DatasetError, match=r'validation has no image'):
        WeakImages(weak, 'validation')
    with pytest.raises(MappingError, match='does not exist'):
        WeakImages(weak, boxes='mine.csv', mapping='mine.yaml')


def test_codes_without_their_descriptions_are_said_to_be_no_labels(weak: Path) -> None:
    (weak / 'class-descriptions-boxable.csv').unlink()
    with pytest.raises(DatasetError, match=r"name \['/m/0k4j'.*class-descriptions-boxable\.csv"):
        WeakImages(weak)


def test_a_damaged_image_is_named_when_the_data_set_is_opened(weak: Path) -> None:
    path = weak / 'train_0/c3.jpg'
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r'c3\.jpg is missing or not a readable'):
        WeakImages(weak)
