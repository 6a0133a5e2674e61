# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Every layout in config/layouts: drawn scenes come back, and anything else is refused."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_files import SIZE, write_image, write_labels
from numpy.typing import NDArray
from PIL import Image

from hiseg_ros.datasets import DATASETS, drawn_export, mapping_of, open_dataset
from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.drawn_export import draw_and_write, write_drawn_scenes
from hiseg_ros.datasets.drawn_formats import label_ids_of_leaves
from hiseg_ros.datasets.folder import LabelledFolder
from hiseg_ros.datasets.layout import Encoding, read_layout
from hiseg_ros.datasets.scenes import DrawnScene, draw_scene
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_taxonomy

LAYOUTS = sorted(path.stem for path in (Path(__file__).parents[2] / 'config/layouts').iterdir())
DRAWN_SIZE = (96, 192)


@cache
def scene(number: int) -> DrawnScene:
    """Return one of two scenes."""
    return draw_scene(number, DRAWN_SIZE)


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of six scenes in each layout; 0 and 5 are in val."""
    folders = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            drawn_export,
            '_draw_all',
            lambda jobs: [one for j in jobs for one in draw_and_write(j)],
        )
        patch.setattr(drawn_export, 'scene_seed', lambda _layout, _seed, number: number % 2)
        patch.setattr(drawn_export, 'draw_scene', lambda seed, _size: scene(seed))
        for layout in LAYOUTS:
            folders[layout] = tmp_path_factory.mktemp('drawn') / layout
            counts = write_drawn_scenes(layout, folders[layout], 6, DRAWN_SIZE)
            assert counts == {'train': 4, 'val': 2}
    return folders


@pytest.fixture
def copy(drawn: dict[str, Path], tmp_path: Path) -> Any:
    """Return a function that copies a drawn folder, to be spoilt."""
    return lambda layout: shutil.copytree(drawn[layout], tmp_path / layout)


def label_files(layout: str, root: Path) -> list[Path]:
    """Return all label files of the first place of a layout."""
    pattern = read_layout(layout).places[0].labels.replace('{split}', '*')
    return sorted(root.glob(pattern))


def test_every_layout_is_a_dataset_with_its_mapping_and_splits() -> None:
    entries = {entry.layout: (name, entry) for name, entry in DATASETS.items() if entry.layout}
    assert sorted(entries) == LAYOUTS
    for layout in LAYOUTS:
        name, entry = entries[layout]
        read = read_layout(layout)
        assert (name, entry.mapping) == (read.name, read.mapping)
        assert list(entry.splits) == list(read.splits) == ['train', 'val']
    encodings = {read_layout(layout).encoding for layout in LAYOUTS}
    assert encodings == set(Encoding)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_drawn_scene_comes_back_with_the_ids_of_the_dataset(
    drawn: dict[str, Path], layout: str
) -> None:
    read = read_layout(layout)
    table = label_ids_of_leaves(read.mapping, read.void)
    for split, numbers in (('train', (1, 2, 3, 4)), ('val', (0, 5))):
        dataset = open_dataset(layout, drawn[layout], {'split': split})
        assert len(dataset) == len(numbers)
        assert dataset.mapping_name == read.mapping
        for index, number in enumerate(numbers):
            sample, expected = dataset[index], scene(number % 2)
            np.testing.assert_array_equal(sample.label_ids, table[expected.labels])
            assert np.abs(sample.image.astype(int) - expected.rgb).mean() < 6
        assert len(np.unique(dataset[0].label_ids)) >= (2 if layout == 'voc' else 7)
    again = pickle.loads(pickle.dumps(dataset))  # as workers get it
    np.testing.assert_array_equal(again[0].label_ids, dataset[0].label_ids)


@pytest.mark.needs('torch')
def test_training_reads_every_layout(drawn: dict[str, Path], tmp_path: Path) -> None:
    """All of them in one experiment, kinds of labels mixed in every batch."""
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.training.config.dataset import DatasetConfig
    from hiseg_ros.training.config.experiment import TrainingConfig
    from hiseg_ros.training.data.data_module import MixedData

    config = TrainingConfig(
        name='all',
        taxonomy='street',
        network=NetworkConfig(
            'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
        ),
        datasets={name: DatasetConfig(name, str(drawn[name]), 1, flips=True) for name in LAYOUTS},
        crop=(64, 64),
        steps=200,
        workers=0,
    )
    data = MixedData(config, load_taxonomy('street'))
    # One batch has one crop of each.
    _, targets, _ = next(iter(data.train_dataloader()))
    assert len(targets) == len(LAYOUTS)
    assert int(targets.max()) < len(data.table.allowed)
    assert all(len(np.unique(target.numpy())) > 1 for target in targets)


# What is not the dataset.


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_missing_half_is_named(copy: Any, layout: str) -> None:
    for half in ('labels', 'images'):
        root = copy(layout)
        place = read_layout(layout).places[0]
        pattern = place.labels if half == 'labels' else place.images[0]
        for folder in {path.parent for path in root.glob(pattern.replace('{split}', '*'))}:
            shutil.rmtree(folder)
        with pytest.raises(DatasetError) as caught:
            open_dataset(layout, root)
        assert re.search(r'does not exist, but .* does; expected both halves', str(caught.value))
        shutil.rmtree(root)
    with pytest.raises(DatasetError, match=r'holds nothing; expected .*: name its folder'):
        open_dataset(layout, root)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_labels_of_another_size_are_refused(copy: Any, layout: str) -> None:
    root = copy(layout)
    path = label_files(layout, root)[0]
    if path.suffix == '.json':
        path.write_text(path.read_text().replace('"imgWidth": 192', '"imgWidth": 190'))
        split = path.parents[1].name
        with pytest.raises(DatasetError, match=r'has size \(96, 190\); expected \(96, 192\)'):
            open_dataset(layout, root, {'split': split})[0]
        return
    whole = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), whole[:, :-2])
    with pytest.raises(DatasetError, match=r'has size \(96, 190\); expected \(96, 192\)'):
        for split in ('train', 'val'):
            open_dataset(layout, root, {'split': split})


def replaced(root: Path, layout: str, change: Any) -> None:
    """Write all label files again, changed: a function of label ids or of stored values."""
    for path in label_files(layout, root):
        if read_layout(layout).encoding is Encoding.CHANNEL16:
            values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        else:
            with Image.open(path) as opened:
                values = np.array(opened)
        cv2.imwrite(str(path), np.ascontiguousarray(change(values)))


def colours(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return three channels."""
    return np.stack([values * 7, values, values + 3], -1).astype(np.uint8)


def train_ids(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the train ids of labelIds, 255 for the rest."""
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    table = np.full(256, 255, np.uint8)
    table[ids] = np.arange(19)
    return table[values]


def label_ids(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the labelIds of train ids."""
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    table = np.zeros(256, np.uint8)
    table[:19] = ids
    return table[values]


WRONG = [
    # A palette that OpenCV decoded, a rendering for the eye, a palette turned to grey.
    ('gta5', colours, 'has 3 channels of type uint8; expected a palette .*: take labels/ as down'),
    ('voc', colours, 'has 3 channels of type uint8; expected a palette .* SegmentationClass'),
    ('kitti', colours, 'has 3 channels of type uint8; expected one channel .* not semantic_rgb'),
    ('bdd100k', colours, 'has 3 channels .*expected one channel .*not colormaps'),
    ('acdc', colours, 'has 3 channels .*_gt_labelIds.png, not _labelTrainIds or _labelC'),
    ('urbansyn', colours, 'has 3 channels .*: take ss/ as downloaded, not ss_color'),
    ('gta5', lambda ids: ids * 5, "has the label id .*; expected one of mapping 'gta5', 0 to 34"),
    # The one numbering taken for the other.
    ('gta5', train_ids, 'has the id 255, which only train ids have; expected labelIds, 0 to 34'),
    ('kitti', train_ids, 'has the id 255, which only train ids have.* no copy with train ids'),
    ('acdc', train_ids, 'has the id 255, which only train ids have'),
    ('gta5', lambda ids: train_ids(ids) % 255, 'none from 19 to 34; expected labelIds, these are'),
    ('bdd100k', label_ids, 'has the id .*, which only labelIds have; expected train ids, 0 to 18'),
    ('urbansyn', label_ids, 'has the id .*, which only labelIds have; expected train ids'),
    # 16 bits that went lost, and the channels turned around.
    (
        'synthia',
        lambda v: v[..., :3].astype(np.uint8),
        'has 3 channels of type uint8; expected thr',
    ),
    (
        'synthia',
        lambda v: v[..., 2].astype(np.uint8),
        'has 1 channel of type uint8; .* 16 bits',
    ),
    # "Other" taken away twice: 0 becomes 255; ids counted from 1.
    (
        'ade20k',
        lambda ids: ids - 1,
        "has the label id 255; expected one of mapping 'ade20k', 0 to",
    ),
    (
        'coco_stuff',
        lambda ids: np.where(ids == 255, 182, ids),
        'has the label id 182; .* minus one',
    ),
    # Colours that were resized or compressed, or are none.
    (
        'a2d2',
        lambda v: cv2.blur(v, (3, 3)),
        r'colours of no class in \d+ pixels \(#\w{6}, .*exact',
    ),
    ('vkitti_2', lambda v: v[..., 0], 'has 1 channel of type uint8; expected three channels'),
    (
        'camvid_32',
        lambda v: v // 2,
        'colours of no class .* neither resized nor compressed, or the',
    ),
    # Panoptic images that were converted, or belong to another list.
    (
        'wilddash_2',
        lambda v: v[..., 0],
        'has 1 channel of type uint8; expected three .* panoptic/',
    ),
    ('wilddash_2', lambda v: v + 1, r'has \d+ segments that .*panoptic.json does not list \(\['),
    ('vistas_2', lambda ids: ids + 100, "has the label id .* mapping 'vistas_2', 0 to 123"),
]


@pytest.mark.parametrize(
    ('layout', 'change', 'message'), WRONG, ids=[f'{n}-{row[0]}' for n, row in enumerate(WRONG)]
)
def test_a_wrong_encoding_is_refused_with_a_hint(
    copy: Any, layout: str, change: Any, message: str
) -> None:
    """When the folder is opened, not in the middle of a training."""
    root = copy(layout)
    replaced(root, layout, change)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(layout, root)
    assert '\n' not in str(caught.value)
    assert str(caught.value).endswith(f': {read_layout(layout).hint}.')


def test_an_instance_is_not_taken_for_a_class(copy: Any) -> None:
    """Channels in the order of OpenCV and of the file."""
    root = copy('synthia')
    for value, message in ((23, 'has the label id 23'), (700, 'has the value 700 in red')):
        replaced(root, 'synthia', lambda v, value=value: np.full_like(v, value))
        with pytest.raises(DatasetError, match=f'{message}; expected .*: take GT/LABELS as down'):
            open_dataset('synthia', root)


def test_a_list_of_segments_is_as_downloaded(copy: Any) -> None:
    root = copy('wilddash_2')
    path = root / 'panoptic.json'
    listed = json.loads(path.read_text())
    without_one = {'annotations': listed['annotations'][:-1]}
    large = json.loads(json.dumps(listed))
    large['annotations'][0]['segments_info'][0]['category_id'] = 254
    for text, message in (
        (json.dumps(without_one), 'panoptic.json does not list dr0005_100000.png; expected its'),
        (json.dumps(large), 'is missing or no list of segments .* 0 to 253'),
        ('[]', 'is missing or no list of segments'),
        ('{"annotations": [{}]}', "no list of segments .*'file_name'"),
        ('\x00', 'is missing or no list of segments'),
    ):
        path.write_text(text)
        with pytest.raises(DatasetError, match=message):
            open_dataset('wilddash_2', root, {'split': 'val'})
    path.unlink()
    with pytest.raises(DatasetError, match='panoptic.json is missing or no list of segments'):
        open_dataset('wilddash_2', root)


def test_polygons_are_as_downloaded(copy: Any) -> None:
    root = copy('idd')
    path = root / 'gtFine/val/drawn/000000_gtFine_polygons.json'
    good = json.loads(path.read_text())
    corners = [[0, 0], [191, 0], [191, 95], [0, 95]]
    for polygons, expected in (
        ([{'label': 'car', 'polygon': corners}], 12),
        ([{'label': 'cargroup', 'polygon': corners}], 12),
        ([{'label': 'polegroup', 'polygon': corners}], 27),
        ([{'label': 'sky', 'polygon': corners}, {'label': 'bus', 'polygon': corners}], 14),
        ([{'label': 'car', 'polygon': corners, 'deleted': 1}], 35),
        ([{'label': 'car', 'polygon': corners[:2]}], 35),
    ):
        path.write_text(json.dumps({**good, 'objects': polygons}))
        assert (open_dataset('idd', root, {'split': 'val'})[0].label_ids == expected).all()
    for text, message in (
        (json.dumps({**good, 'objects': [{'label': 'ufo', 'polygon': corners}]}), "polygon 'ufo'"),
        (json.dumps({**good, 'imgHeight': 10**6, 'imgWidth': 10**6}), 'claims 1000000x1000000'),
        (json.dumps({'objects': []}), "no file of polygons .*'imgHeight'"),
        ('{"imgHeight"', 'no file of polygons'),
        (
            json.dumps({**good, 'objects': [{'label': 'car', 'polygon': [[0, 1e9], *corners]}]}),
            'no file of polygons .*100000 pixels away',
        ),
        (
            json.dumps(
                {**good, 'objects': [{'label': 'car', 'polygon': [[0, np.nan], *corners]}]}
            ),
            'no file of polygons',
        ),
    ):
        path.write_text(text)
        with pytest.raises(DatasetError, match=message):
            open_dataset('idd', root, {'split': 'val'})
    path.unlink()
    with pytest.raises(DatasetError, match=r'polygons.json is missing, the partner of'):
        open_dataset('idd', root, {'split': 'val'})


def test_ids_of_vistas_1_2_cannot_be_taken_for_those_of_2_0(copy: Any) -> None:
    root = copy('vistas_2')
    path = root / 'config_v2.0.json'
    old = [label.published_as for label in read_dataset_labels('vistas').labels]
    good = [label['name'] for label in json.loads(path.read_text())['labels']]
    for names, message in (
        (old, "has 'construction--barrier--curb' at place 2 of 65; expected 'construction--barr"),
        (good[:100], "has 'no label' at place 100 of 100"),
        ([*good, 'more'], 'has 125 labels; expected 124'),
    ):
        path.write_text(json.dumps({'labels': [{'name': name} for name in names]}))
        with pytest.raises(DatasetError, match=rf'{message}.*is the dataset vistas\.'):
            open_dataset('vistas_2', root)
    path.rename(root / 'config_v1.2.json')
    with pytest.raises(
        DatasetError, match=r'config_v2.0.json is missing or has no list of labels'
    ):
        open_dataset('vistas_2', root)
    (root / 'training/v2.0').rename(root / 'training/v1.2')
    with pytest.raises(DatasetError, match=r'training/v2.0/labels does not exist, but .*/images'):
        open_dataset('vistas_2', root)


def test_the_older_archive_of_bdd100k_is_read_as_well(copy: Any) -> None:
    """Names of labels differ from those of images, and colours lie beside them."""
    root = copy('bdd100k')
    (root / 'seg/images').mkdir(parents=True)
    (root / 'seg/labels/train').mkdir(parents=True)
    (root / 'images/10k/train').rename(root / 'seg/images/train')
    for path in (root / 'labels/sem_seg/masks/train').iterdir():
        path.rename(root / f'seg/labels/train/{path.stem}_train_id.png')
        write_labels(root / f'seg/labels/train/{path.stem}_train_color.png')
    for folder in ('images', 'labels'):
        shutil.rmtree(root / folder)
    dataset = open_dataset('bdd100k', root)
    assert [dataset[i].name for i in range(4)] == [f'drawn-0000000{i}' for i in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ('layout', 'moved'),
    [
        ('voc', 'VOCdevkit/VOC2012'),
        ('ade20k', 'ADEChallengeData2016'),
        ('a2d2', None),
        ('camvid_32', None),
        ('vkitti_2', None),
        ('coco_stuff', None),
    ],
)
def test_other_ways_to_unpack_are_read(copy: Any, tmp_path: Path, layout: str, moved: str) -> None:
    root = copy(layout)
    if moved:
        (tmp_path / 'outer' / moved).parent.mkdir(parents=True)
        root.rename(tmp_path / 'outer' / moved)
        root = tmp_path / 'outer'
    elif layout == 'a2d2':
        root = root / 'camera_lidar_semantic'
    elif layout == 'camvid_32':
        for split, drive in (('train', '0001TP'), ('val', 'Seq05VD')):
            for old, new in (
                ('701_StillsRaw_full', split),
                ('LabeledApproved_full', f'{split}_labels'),
            ):
                (root / new).mkdir()
                for path in (root / old).glob(f'{drive}*'):
                    path.rename(root / new / path.name)
        shutil.rmtree(root / '701_StillsRaw_full')
        shutil.rmtree(root / 'LabeledApproved_full')
    elif layout == 'vkitti_2':
        for kind in ('rgb', 'classSegmentation'):
            for path in list(root.glob(f'Scene*/*/frames/{kind}')):
                target = root / f'vkitti_2.0.3_{kind}' / path.relative_to(root)
                target.parent.mkdir(parents=True)
                path.rename(target)
        for path in root.glob('Scene*'):
            shutil.rmtree(path)
    else:
        (root / 'images').mkdir()
        for split in ('train2017', 'val2017'):
            (root / split).rename(root / 'images' / split)
        (root / 'stuffthingmaps').rename(root / 'annotations')
    for split, count in (('train', 4), ('val', 2)):
        assert len(open_dataset(layout, root, {'split': split})) == count


def test_files_of_converters_are_left_alone(copy: Any) -> None:
    root = copy('gta5')
    for path in list((root / 'labels').iterdir()):
        write_labels(path.with_name(f'{path.stem}_labelTrainIds.png'))
    assert len(open_dataset('gta5', root)) == 4
    (root / 'labels/00003.png').unlink()
    with pytest.raises(
        DatasetError, match=r'labels/00003.png is missing, the partner of .*: comp'
    ):
        open_dataset('gta5', root)


def test_pairs_that_are_published_with_different_sizes_are_left_out(copy: Any) -> None:
    """Two of GTA5, where they are; any other is an error."""
    root = copy('gta5')
    for name in ('15188', '17707'):
        write_image(root / f'images/{name}.png', size=SIZE)
        shutil.copy(root / 'labels/00001.png', root / f'labels/{name}.png')
        if name == '15188':
            assert len(open_dataset('gta5', root)) == 4
    with pytest.raises(DatasetError, match=r'17707.png has size \(96, 192\); expected \(24, 40\)'):
        open_dataset('gta5', root)


def test_a_list_of_names_is_needed_and_its_files_are(copy: Any) -> None:
    root = copy('voc')
    write_image(root / 'JPEGImages/2012_999999.jpg')  # has no labels, and is in no list
    assert len(open_dataset('voc', root)) == 4
    (root / 'SegmentationClass/2012_000001.png').unlink()
    with pytest.raises(DatasetError, match=r'2012_000001.png is missing, which .*train.txt lists'):
        open_dataset('voc', root)
    (root / 'ImageSets/Segmentation/train.txt').unlink()
    with pytest.raises(DatasetError, match=r'train.txt is missing or no list of names'):
        open_dataset('voc', root)


def test_a_number_decides_the_split_and_must_be_there(copy: Any) -> None:
    root = copy('wilddash_2')
    (root / 'images/dr0001_100000.jpg').rename(root / 'images/none.jpg')
    (root / 'panoptic/dr0001_100000.png').rename(root / 'panoptic/none.png')
    with pytest.raises(DatasetError, match=r'images/none.jpg has no number in its name'):
        open_dataset('wilddash_2', root)


def test_drives_and_conditions_can_be_chosen(copy: Any) -> None:
    root = copy('acdc')
    for half, ending in (('rgb_anon', '_rgb_anon.png'), ('gt', '_gt_labelIds.png')):
        name = f'DRAWN_frame_000002{ending}'
        path = root / half / 'night/train/DRAWN' / name
        path.parent.mkdir(parents=True)
        (root / half / 'fog/train/DRAWN' / name).rename(path)
    for options, count in (
        ({'only': ['night']}, 1),
        ({'only': ['fog']}, 3),
        ({'without': ['fog']}, 1),
        ({'only': ['fog', 'night'], 'limit': 2}, 2),
    ):
        assert len(open_dataset('acdc', root, options)) == count
    with pytest.raises(DatasetError, match=r"leaves no image with split='train', only=\['snow'\]"):
        open_dataset('acdc', root, {'only': ['snow']})
    with pytest.raises(
        DatasetError, match=r"split of .* is 'test'; expected one of \['train', 'v"
    ):
        open_dataset('acdc', root, {'split': 'test'})
    with pytest.raises(DatasetError, match=r"Values of only are 'fog'; expected lists of names"):
        open_dataset('acdc', root, {'only': 'fog'})


# A folder with a layout, and one without.


def test_a_folder_may_name_a_layout(drawn: dict[str, Path], tmp_path: Path) -> None:
    """By name or by a file of one's own; the layout brings its mapping."""
    taxonomy = load_taxonomy('street')
    options = {'layout': 'kitti', 'split': 'val'}
    assert len(open_dataset('folder', drawn['kitti'], options)) == 2
    assert mapping_of('folder', taxonomy, options).name == 'cityscapes'
    own = tmp_path / 'mine.yaml'
    source = Path(__file__).parents[2] / 'config/layouts/kitti.yaml'
    own.write_text(source.read_text().replace('mapping: cityscapes', 'mapping: gta5'))
    dataset = LabelledFolder(drawn['kitti'], layout=str(own))
    assert dataset.mapping_name == 'gta5'
    assert len(dataset) == 4
    other = LabelledFolder(drawn['kitti'], 'cityscapes_labelids', layout='kitti')
    assert other.mapping_name == 'cityscapes_labelids'
    with pytest.raises(
        DatasetError, match="has the layout 'kitti' and also images, labels or enc"
    ):
        LabelledFolder(drawn['kitti'], layout='kitti', images='a/*.png')
    with pytest.raises(DatasetError, match="mapping '' and split ''; expected a mapping and no"):
        LabelledFolder(drawn['kitti'])
    with pytest.raises(ConfigError, match=r'kitty.yaml does not exist'):
        LabelledFolder(drawn['kitti'], layout='kitty')


def test_a_plain_folder_may_have_16_bits(tmp_path: Path) -> None:
    write_image(tmp_path / 'images/a.jpg')
    deep = np.zeros((*SIZE, 3), np.uint16)
    deep[..., 2], deep[..., 1] = 5, 900
    (tmp_path / 'labels').mkdir()
    cv2.imwrite(str(tmp_path / 'labels/a.png'), deep)
    dataset = LabelledFolder(tmp_path, 'camvid', encoding='channel16')
    assert (dataset[0].label_ids == 5).all()
    for encoding in ('bytes', 'palette'):
        with pytest.raises(
            DatasetError, match=r'has 3 channels .*: name the encoding that they h'
        ):
            LabelledFolder(tmp_path, 'camvid', encoding=encoding)[0]
    with pytest.raises(DatasetError, match=r"encoding 'colours'; expected one of \['bytes', 'pal"):
        LabelledFolder(tmp_path, 'camvid', encoding='colours')
    (tmp_path / 'labels/a.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    with pytest.raises(DatasetError, match=r'a.png is missing or not a readable image'):
        LabelledFolder(tmp_path, 'camvid', encoding='channel16')


GOOD = """
name: mine
title: Mine
mapping: camvid
encoding: colours
size: [24, 40]
places: [{images: 'a/*.png', labels: 'b/*.png'}]
splits: {train: {every: 2}, val: {but_every: 2}}
hint: take b
colours: {0: '#010203', 1: ['#040506', '#070809']}
drawing: {seed: 99, image: 'a/{number}.png'}
"""

FAULTS = [
    ('- a', 'Layout .* holds a list; expected keys and values'),
    ('name: mine', 'Layout .* has encoding: None; expected one of'),
    (('encoding: colours', 'encoding: colors'), "has encoding: 'colors'; expected one of .'byte"),
    (('title: Mine', 'title: 3'), 'has title: 3; expected a text'),
    (('hint: take b', ''), 'has hint: None; expected a text'),
    (('size: [24, 40]', 'size: [24]'), r'has size: \[24\]; expected height and width'),
    (('size: [24, 40]', 'size: [24, true]'), 'expected height and width'),
    (('size: [24, 40]', 'sizes: 1'), r"has the unknown keys \['sizes'\]; expected some of"),
    (('b/*.png', 'b/*/*.png'), r'has the images .* and labels .*; expected as many \* in both'),
    (('a/*.png', 'a/**.png'), r'expected as many \* in both'),
    (("images: 'a/*.png', ", ''), r'has the images \[\] and labels'),
    (("labels: 'b/*.png'", "labels: 'b/*.png', segments: x"), 'for panoptic labels, and only'),
    (("labels: 'b/*.png'", "labels: 'b/*.png', files: x"), r"unknown keys \['files'\]"),
    (("[{images: 'a/*.png', labels: 'b/*.png'}]", '[]'), 'has no places or no splits'),
    (("[{images: 'a/*.png', labels: 'b/*.png'}]", '[1]'), 'places in .* is 1; expected keys'),
    (('{train: {every: 2}, val: {but_every: 2}}', '{}'), 'has no places or no splits'),
    (('{every: 2}', '{every: two}'), "train in splits .* has every: 'two'; expected a number"),
    (('{every: 2}', '{every: -2}'), 'has every: -2; expected a number from 0 to 255'),
    (('{every: 2}', '{only: 2}'), 'has only: 2; expected a text or a list of texts'),
    (("'#010203'", "'010203'"), "has 0: '010203'; expected colours like '#ff0000'"),
    (("'#010203'", "'#040506'"), 'has a colour twice; expected each for one label'),
    (('{0: ', '{300: '), 'has the label id 300; expected a number from 0 to 255'),
    (('size', "stars: '['\nsize"), 'has stars: .* expected a regular expression'),
    (
        ('size', 'ids: labels\nsize'),
        "has ids: 'labels'; expected one of .'label_ids', 'train_ids'",
    ),
    (('size', 'void: 256\nsize'), 'has void: 256; expected a number from 0 to 255'),
    (('{seed: 99', '{seed: x'), "drawing in .* has seed: 'x'; expected a number"),
]


@pytest.mark.parametrize(('change', 'message'), FAULTS)
def test_a_faulty_layout_is_refused_in_one_sentence(
    tmp_path: Path, change: str | tuple[str, str], message: str
) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text(GOOD)
    assert read_layout(str(path)).colours == {0: ((1, 2, 3),), 1: ((4, 5, 6), (7, 8, 9))}
    if isinstance(change, tuple):
        assert change[0] in GOOD
        change = GOOD.replace(*change, 1)
    path.write_text(change)
    with pytest.raises(ConfigError, match=message) as caught:
        read_layout(str(path))
    assert '\n' not in str(caught.value)


def test_the_layout_of_the_page_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / 'docs/datasets.md').read_text()
    (printed,) = re.findall(r'```yaml\n(name: mine\n.*?)```', page, re.DOTALL)
    (tmp_path / 'mine.yaml').write_text(printed)
    layout = read_layout(str(tmp_path / 'mine.yaml'))
    assert layout.colours == {0: ((135, 206, 255),), 3: ((255, 0, 255), (180, 50, 180))}
    assert layout.splits['val'].folder == 'test'
