# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Files of CVAT and Label Studio: written, read by other code, read back, and refused.

The readers here are written after the tools' own documents, apart from the package's. Beside them,
what the package writes was read with cvat-sdk 2.80, datumaro 1.13.12 and label-studio-converter
0.0.59, and the numbers of BRUSH come from the latter.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DatasetError, MappingError
from hiseg_ros.images import write_image
from hiseg_ros.mining.brush import decode_brush, encode_brush
from hiseg_ros.mining.corrected import Mined, find_exports, import_corrected, read_export
from hiseg_ros.mining.labels import LabelSet, label_set, read_label_set, write_mapping
from hiseg_ros.mining.project import ProjectFolder
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy

SIZE = (40, 56)

BRUSH = [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 219, 0, 0]
"""A mask of 2x3 pixels, [[0, 1, 1], [0, 0, 0]], as label-studio-converter encodes it."""


@pytest.fixture(scope='module')
def street() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def labels(street: Taxonomy) -> LabelSet:
    return label_set(load_mapping('camvid', street), street)


def random_labels(seed: int) -> NDArray[np.uint8]:
    """Return label ids in patches with single pixels among them, some unlabeled."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 13, (5, 7)).astype(np.uint8)
    ids = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    single = rng.random(SIZE) < 0.05
    ids[single] = rng.integers(0, 11, int(single.sum()))
    ids[ids > 10] = 255
    return np.asarray(ids, np.uint8)


TRUTH = {'one': random_labels(1), 'two': random_labels(2), 'three': np.full(SIZE, 3, np.uint8)}


@pytest.fixture
def mined(tmp_path: Path, labels: LabelSet) -> Path:
    """Return an output folder of mining with three images."""
    folder = tmp_path / 'mined'
    with ProjectFolder(folder, labels, len(TRUTH), 'a network') as project:
        for number, (stem, ids) in enumerate(TRUTH.items()):
            project.add(stem, np.full((*SIZE, 3), 40 * number, np.uint8), ids)
    write_mapping('camvid', folder)
    record = {'picks': [{'image': f'{stem}.jpg'} for stem in TRUTH]}
    (folder / 'mining.json').write_text(json.dumps(record))
    return folder


# Other readers.


def read_xml_by_hand(path: Path, labels: LabelSet) -> dict[str, NDArray[np.uint8]]:
    """Read masks pixel by pixel: runs of a box, row by row, the first one outside."""
    found = {}
    for image in ET.parse(path).getroot().iter('image'):
        ids = np.full((int(image.attrib['height']), int(image.attrib['width'])), 255, np.uint8)
        for mask in image.iter('mask'):
            left, top, width = (int(mask.attrib[key]) for key in ('left', 'top', 'width'))
            place, is_inside = 0, False
            for run in map(int, mask.attrib['rle'].split(', ')):
                for pixel in range(place, place + run):
                    if is_inside:
                        name = mask.attrib['label']
                        ids[top + pixel // width, left + pixel % width] = labels.id_of_name[name]
                place, is_inside = place + run, not is_inside
        found[image.attrib['name'].removesuffix('.jpg')] = ids
    return found


def read_masks_by_hand(path: Path, labels: LabelSet) -> dict[str, NDArray[np.uint8]]:
    """Compare colours one by one with those of the list."""
    archive = zipfile.ZipFile(path)
    colours = {}
    for line in archive.read('labelmap.txt').decode().splitlines()[1:]:
        name, colour, _, _ = line.split(':')
        colours[tuple(map(int, colour.split(',')))] = labels.id_of_name.get(name, 255)
    found = {}
    for stem in archive.read('ImageSets/Segmentation/default.txt').decode().split():
        data = np.frombuffer(archive.read(f'SegmentationClass/{stem}.png'), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        found[stem] = np.array(
            [[colours[tuple(pixel)] for pixel in row.tolist()] for row in image], np.uint8
        )
    return found


def read_brush_by_hand(numbers: list[int]) -> list[int]:
    """Read the bits one after the other; return the values."""
    bits = ''.join(f'{number:08b}' for number in numbers)
    place = 0

    def take(width: int) -> int:
        nonlocal place
        place += width
        return int(bits[place - width : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        is_run, length = take(1), 1 + take(sizes[take(2)])
        values += [take(word)] * length if is_run else [take(word) for _ in range(length)]
    return values


def read_tasks_by_hand(path: Path, labels: LabelSet) -> dict[str, NDArray[np.uint8]]:
    found = {}
    for task in json.loads(path.read_text()):
        ids = np.full(SIZE, 255, np.uint8)
        for result in task['predictions'][0]['result']:
            alpha = np.array(read_brush_by_hand(result['value']['rle'])).reshape(*SIZE, 4)[..., 3]
            ids[alpha > 0] = labels.id_of_name[result['value']['brushlabels'][0]]
        found[task['data']['name'].removesuffix('.jpg')] = ids
    return found


def test_other_readers_find_the_labels_in_all_three_files(mined: Path, labels: LabelSet) -> None:
    for found in (
        read_xml_by_hand(mined / 'cvat/annotations.xml', labels),
        read_masks_by_hand(mined / 'cvat/segmentation_mask.zip', labels),
        read_tasks_by_hand(mined / 'label_studio/tasks.json', labels),
    ):
        assert set(found) == set(TRUTH)
        for stem, ids in TRUTH.items():
            np.testing.assert_array_equal(found[stem], ids)
    listed = json.loads((mined / 'cvat/labels.json').read_text())
    assert [row['name'] for row in listed] == [label.name for label in labels.labels]
    config = ET.parse(mined / 'label_studio/config.xml').getroot()
    assert [one.attrib['value'] for one in config.iter('Label')] == [row['name'] for row in listed]
    objects = zipfile.ZipFile(mined / 'cvat/segmentation_mask.zip').read(
        'SegmentationObject/three.png'
    )
    first = cv2.imdecode(np.frombuffer(objects, np.uint8), cv2.IMREAD_COLOR)[0, 0]
    assert first[::-1].tolist() == [0, 0, 128]  # the fourth colour of Pascal VOC


def test_the_brush_of_label_studio_itself_is_read() -> None:
    expected = [[False, True, True], [False, False, False]]
    assert decode_brush(BRUSH, (2, 3)).tolist() == expected
    assert decode_brush(encode_brush(np.array(expected)), (2, 3)).tolist() == expected


@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 1.0])
def test_brush_masks_come_back_whatever_their_runs(share: float) -> None:
    """A full mask of 300x400 has runs longer than 16 bits."""
    mask = np.random.default_rng(4).random((300, 400)) < share
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), (300, 400)), mask)


# The way back.


def as_label_studio_export(mined: Path, target: Path, change: Callable[[Any], None]) -> None:
    """Turn the tasks into an export: predictions that an annotator has accepted."""
    tasks = json.loads((mined / 'label_studio/tasks.json').read_text())
    for task in tasks:
        result = task.pop('predictions')[0]['result']
        task['annotations'] = [
            {'was_cancelled': True, 'result': []},
            {'was_cancelled': False, 'result': result},
        ]
    change(tasks)
    target.write_text(json.dumps(tasks))


def put(mined: Path, kind: str, change: Callable[[Any], None] = lambda content: None) -> Path:
    """Put an export that a tool would give into corrected/; `change` edits its content."""
    folder = mined / 'corrected'
    folder.mkdir(exist_ok=True)
    if kind == 'label_studio':
        as_label_studio_export(mined, folder / 'export.json', change)
        return folder / 'export.json'
    if kind == 'masks':
        with zipfile.ZipFile(mined / 'cvat/segmentation_mask.zip') as written:
            content = {name: written.read(name) for name in written.namelist()}
        change(content)
        with zipfile.ZipFile(folder / 'export.zip', 'w') as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return folder / 'export.zip'
    root = ET.parse(mined / 'cvat/annotations.xml').getroot()
    change(root)
    data = ET.tostring(root)
    if kind == 'xml':
        (folder / 'export.xml').write_bytes(data)
        return folder / 'export.xml'
    with zipfile.ZipFile(folder / 'task.zip', 'w') as archive:
        archive.writestr('annotations.xml', data)
    return folder / 'task.zip'


def imported(mined: Path) -> Path:
    target = mined / 'dataset'
    import_corrected(Mined.read(mined), find_exports(mined, None), target)
    return target


@pytest.mark.parametrize('kind', ['xml', 'xml_in_zip', 'masks', 'label_studio'])
def test_corrected_labels_become_a_dataset_pixel_by_pixel(mined: Path, kind: str) -> None:
    """A pixel that the annotator changed is the only one that differs."""
    from hiseg_ros.datasets import open_dataset

    put(mined, kind)
    folder = imported(mined)
    dataset = open_dataset('folder', folder, {'mapping': str(folder / 'mapping.yaml')})
    assert len(dataset) == len(TRUTH)
    for sample in (dataset[number] for number in range(len(dataset))):
        np.testing.assert_array_equal(sample.label_ids, TRUTH[sample.name])
        assert sample.image.shape[:2] == SIZE
    assert imported(mined) == folder  # again, in place


def test_the_annotators_change_arrives_and_polygons_are_painted_over_masks(mined: Path) -> None:
    def change(root: ET.Element) -> None:
        for image in root.iter('image'):
            if image.attrib['name'] != 'three.jpg':
                continue
            points = '10,10;20,10;20,20;10,20'
            ET.SubElement(image, 'polygon', label='Car', points=points, z_order='1')
            ET.SubElement(
                image, 'mask', label='Sky', rle='0, 1', left='15', top='15', width='1', height='1',
                z_order='2',
            )  # fmt: skip

    put(mined, 'xml', change)
    found = cv2.imread(str(imported(mined) / 'labels/three.png'), cv2.IMREAD_UNCHANGED)
    expected = np.full(SIZE, 3, np.uint8)
    expected[10:21, 10:21] = 8
    expected[15, 15] = 0
    np.testing.assert_array_equal(found, expected)


def test_images_without_labels_are_left_out_and_folders_of_tools_are_cut_off(mined: Path) -> None:
    def change(root: ET.Element) -> None:
        first, second, _ = root.iter('image')
        first[:] = []
        second.attrib['name'] = f'upload/{second.attrib["name"]}'

    put(mined, 'xml', change)
    done = import_corrected(Mined.read(mined), find_exports(mined, None), mined / 'dataset')
    assert (done.images, done.mined) == (2, 3)
    assert sorted(path.stem for path in (done.folder / 'labels').iterdir()) == ['three', 'two']


def test_annotators_share_the_images_and_no_image_comes_twice(mined: Path) -> None:
    def only(*names: str) -> Callable[[ET.Element], None]:
        def change(root: ET.Element) -> None:
            for image in list(root.iter('image')):
                if image.attrib['name'].removesuffix('.jpg') not in names:
                    root.remove(image)

        return change

    put(mined, 'xml', only('one'))
    put(mined, 'xml_in_zip', only('two', 'three'))
    assert len(list((imported(mined) / 'labels').iterdir())) == 3
    put(mined, 'xml', only('one', 'two'))
    with pytest.raises(DatasetError, match=r'both have labels of the image two; expected each im'):
        imported(mined)


def content(folder: Path) -> dict[str, bytes | None]:
    """Return the bytes of all files below a folder, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob('*')
    }


def test_an_import_that_fails_leaves_the_dataset_of_an_earlier_one(mined: Path) -> None:
    """Be it after the first export, without any label, or stopped while it was writing."""
    put(mined, 'xml')
    before = content(imported(mined))
    put(mined, 'xml_in_zip')
    with pytest.raises(DatasetError, match=r'both have labels of the image one'):
        imported(mined)
    assert content(mined / 'dataset') == before
    (mined / 'corrected/task.zip').unlink()
    put(mined, 'xml', without_shapes)
    with pytest.raises(DatasetError, match=r'has no image with a label'):
        imported(mined)
    assert content(mined / 'dataset') == before
    # What a kill leaves: the next import begins anew.
    rest = mined / 'dataset' / 'import.partial' / 'images/old.jpg'
    rest.parent.mkdir(parents=True)
    rest.write_bytes(b'cut off')
    put(mined, 'xml')
    assert content(imported(mined)) == before


def test_a_later_import_takes_the_place_of_an_earlier_one(mined: Path) -> None:
    put(mined, 'xml')
    imported(mined)

    def without_first(root: ET.Element) -> None:
        next(root.iter('image'))[:] = []

    put(mined, 'xml', without_first)
    folder = imported(mined)
    for name in ('images', 'labels'):
        assert sorted(path.stem for path in (folder / name).iterdir()) == ['three', 'two']
    assert sorted(json.loads((folder / 'import.json').read_text())) == ['three', 'two']
    assert not (folder / 'import.partial').exists()


# What is refused.


def first_mask(root: ET.Element) -> ET.Element:
    return next(root.iter('mask'))


def of_first_mask(**changes: str) -> Callable[[ET.Element], None]:
    return lambda root: first_mask(root).attrib.update(changes)


def of_first_image(**changes: str) -> Callable[[ET.Element], None]:
    return lambda root: next(root.iter('image')).attrib.update(changes)


def without_shapes(root: ET.Element) -> None:
    for image in root.iter('image'):
        image[:] = []


def with_box(root: ET.Element) -> None:
    ET.SubElement(next(root.iter('image')), 'box', label='Car', xtl='1', ytl='1', xbr='2', ybr='2')


def with_polygon(root: ET.Element) -> None:
    ET.SubElement(next(root.iter('image')), 'polygon', label='Car', points='1,1;nan,2;3,3')


def of_first_region(**changes: Any) -> Callable[[Any], None]:
    def change(tasks: Any) -> None:
        region = tasks[0]['annotations'][-1]['result'][0]
        for key, value in changes.items():
            place = region if key in region else region['value']
            place[key] = value(place[key]) if callable(value) else value

    return change


def png(ids: NDArray[Any]) -> bytes:
    return cv2.imencode('.png', ids)[1].tobytes()


def of_file(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda content: content.update({name: data})


@pytest.mark.parametrize(
    ('kind', 'change', 'message'),
    [
        ('xml', of_first_mask(label='van'), r"one.jpg of \S*export.xml has the label 'van'; ex"),
        ('xml', of_first_mask(rle='0, 5'), r'has a torn RLE of the label .*: 5 pixels; expected '),
        ('xml', of_first_mask(rle='0, x'), r'torn RLE of the label .*: text that is no number; '),
        ('xml', of_first_mask(rle='-3, 9'), r'has a torn RLE'),
        ('xml', of_first_mask(left='9999'), r'has a mask of .* at row \d+ and column 9999; expec'),
        ('xml', of_first_mask(top='half'), r"has top='half' in <mask>; expected a whole number"),
        ('xml', of_first_image(width='57'), r'has 40x57 pixels \(height x width\); expected 40x5'),
        ('xml', of_first_image(name='four.jpg'), r"has the image 'four.jpg'; expected one of the"),
        ('xml', with_box, r"has a shape 'box' with the label 'Car'; expected masks and polygons"),
        ('xml', with_polygon, r"polygon of the label 'Car' with 3 usable corners; expected"),
        ('masks', of_file('SegmentationClass/one.png', png(np.full((*SIZE, 3), 7, np.uint8))),
         r'one.png of \S*export.zip has the colour #070707; expected only colours of labelmap'),
        ('masks', of_file('SegmentationClass/one.png', png(np.zeros((9, 9, 3), np.uint8))),
         r'has 9x9 pixels \(height x width\); expected 40x56 as its image'),
        ('masks', of_file('SegmentationClass/one.png', b'no image'), r'is no whole PNG file'),
        ('masks', of_file('SegmentationClass/four.png', b''), r"four.png'; expected one of the 3"),
        ('masks', of_file('labelmap.txt', b'Car:1,2::'), r"has the line 'Car:1,2::'; expected"),
        ('masks', of_file('labelmap.txt', b'van:0,0,0::\n'), r"one.png of .*label 'van'; exp"),
        ('masks', lambda content: content.pop('labelmap.txt'), r'has neither annotations.xml nor'),
        ('label_studio', of_first_region(rle=lambda rle: rle[:-4]), r'has a torn RLE: it ends'),
        ('label_studio', of_first_region(rle=[1, 2, 300]), r'an RLE that is no list of bytes, of'),
        ('label_studio', of_first_region(rle=BRUSH), r'has an RLE of 24 values, and its image'),
        ('label_studio', of_first_region(brushlabels=['van']), r"has the label 'van'; expected"),
        ('label_studio', of_first_region(brushlabels=['Car', 'Sky']), r'one label for each regio'),
        ('label_studio', of_first_region(original_width=57), r'has 40x57 pixels'),
        ('label_studio', of_first_region(type='rectanglelabels'), r"kind 'rectanglelabels'; expe"),
        ('label_studio', of_first_region(format='png'), r"in the format 'png'; expected the form"),
        ('label_studio', lambda tasks: tasks[0].pop('annotations'), r'no tasks with data and ann'),
        ('label_studio', lambda tasks: tasks[0]['data'].update(name='four.jpg'), r"'four.jpg'; e"),
    ],
)  # fmt: skip
def test_a_wrong_export_ends_with_one_sentence(
    mined: Path, kind: str, change: Callable[[Any], None], message: str
) -> None:
    put(mined, kind, change)
    with pytest.raises(DatasetError, match=message) as problem:
        imported(mined)
    assert '\n' not in str(problem.value) and 'expected' in str(problem.value)


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('a.xml', b'<annotations><image', r'a.xml is no whole XML file'),
        ('a.xml', b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', r'has a document type, in which'),
        ('a.xml', b'<annotations/>', r"has no images \(its root is 'annotations'\)"),
        ('a.json', b'[{', r'a.json is no whole JSON file'),
        ('a.json', b'{"a": 1}', r'has no tasks with data and annotations'),
        ('a.zip', b'PK', r'a.zip is no whole ZIP file'),
    ],
)
def test_files_of_another_kind_are_refused(
    mined: Path, labels: LabelSet, name: str, data: bytes, message: str
) -> None:
    (mined / name).write_bytes(data)
    sizes = Mined.read(mined).sizes
    with pytest.raises(DatasetError, match=message):
        list(read_export(mined / name, sizes, labels))


def test_a_torn_archive_is_refused(mined: Path) -> None:
    path = put(mined, 'masks')
    data = bytearray(path.read_bytes())
    place = data.find(b'SegmentationClass/one.png') + 60
    data[place : place + 20] = bytes(20)
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r'one.png of \S*export.zip cannot be unpacked'):
        imported(mined)


def test_where_nothing_was_mined_or_corrected_it_is_said(mined: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'is no output folder of `hiseg mine`'):
        Mined.read(tmp_path)
    with pytest.raises(
        ConfigError, match=r'corrected has no corrected labels; expected an export'
    ):
        find_exports(mined, None)
    put(mined, 'xml', without_shapes)
    with pytest.raises(DatasetError, match=r'has no image with a label; expected corrected ones'):
        imported(mined)
    (mined / 'dataset' / 'notes.txt').write_text('mine')
    with pytest.raises(ConfigError, match=r'The folder \S*dataset holds .*notes.txt'):
        imported(mined)


# Labels.


def test_every_label_has_a_colour_of_its_own(labels: LabelSet, street: Taxonomy) -> None:
    for name in ('camvid', 'vistas', 'cityscapes', 'camvid_32', 'gtsdb'):
        found = label_set(load_mapping(name, street), street)
        colours = {label.color for label in found.labels}
        assert len(colours) == len(found.labels) and (0, 0, 0) not in colours
    assert labels.label_of_id[0].color == street.nodes[street.node_id('Sky')].color


def test_labels_that_tools_cannot_tell_apart_are_refused(street: Taxonomy) -> None:
    def of(*rows: tuple[int, str]) -> Mapping:
        leaf = street.leaves[0]
        return Mapping('m', tuple(Label(number, name, (leaf,)) for number, name in rows), ())

    with pytest.raises(MappingError, match=r"more than one label 'car', which annotation tools"):
        label_set(of((0, 'car'), (1, 'Car')), street)
    with pytest.raises(MappingError, match=r"more than one label 'background'"):
        label_set(of((0, 'Background')), street)
    with pytest.raises(MappingError, match=r'has the id 300; expected ids from 0 to 254'):
        label_set(of((300, 'car')), street)


def test_the_copied_mapping_has_an_unlabeled_id(tmp_path: Path, street: Taxonomy) -> None:
    own = tmp_path / 'own.yaml'
    own.write_text('name: own\nlabels:\n  - {id: 1, name: car, nodes: [Car]}\n')
    for name in (str(own), 'camvid'):
        path = write_mapping(name, tmp_path)
        assert 255 in load_mapping(path, street).unlabeled_ids
    assert read_label_set(tmp_path).id_of_name['Car'] == 8


def test_a_folder_with_other_things_or_corrected_labels_is_left_alone(
    mined: Path, labels: LabelSet, tmp_path: Path
) -> None:
    ProjectFolder(mined, labels, 0, 'again').__exit__(None, None, None)
    assert not list((mined / 'images').iterdir())
    (mined / 'corrected').mkdir()
    with pytest.raises(ConfigError, match=r'holds corrected; expected a new or empty one'):
        ProjectFolder(mined, labels, 0, 'again')
    (tmp_path / 'home').mkdir()
    write_image(tmp_path / 'home' / 'holiday.png', np.zeros((2, 2), np.uint8))
    with pytest.raises(ConfigError, match=r'holds holiday.png; expected a new or empty one'):
        ProjectFolder(tmp_path / 'home', labels, 0, 'x')
