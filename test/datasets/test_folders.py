# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes, Vistas and folders of pairs: what is read, and what is refused when opened."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from hiseg_ros.datasets import LOADERS, mapping_of, open_dataset
from hiseg_ros.datasets.cityscapes import Cityscapes
from hiseg_ros.datasets.image_files import image_size, read_image
from hiseg_ros.datasets.paired_files import (
    LabelledFolder,
    PairedFiles,
    pair_files,
    spread,
)
from hiseg_ros.datasets.vistas import Vistas
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.experiment import DATASET_KINDS, DatasetConfig
from hiseg_ros.training.data.label_table import IGNORED, UNKNOWN, LabelTable

SIZE = (24, 40)
Fault = tuple[Callable[[Path], object], str]


def write_image(path: Path, value: int = 90, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


def write_labels(path: Path, ids: object = 7, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(np.uint8(ids), size).copy()).save(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Return a folder of three train images in two cities and one val image."""
    for name, value in (
        ('train/aachen/aachen_000000_000019', 10),
        ('train/aachen/aachen_000001_000019', 20),
        ('train/bochum/bochum_000000_000313', 30),
        ('val/lindau/lindau_000000_000019', 40),
    ):
        write_image(tmp_path / f'leftImg8bit/{name}_leftImg8bit.png', value)
        write_labels(tmp_path / f'gtFine/{name}_gtFine_labelIds.png', value // 10)
        write_labels(tmp_path / f'gtFine/{name}_gtFine_instanceIds.png')
    write_image(tmp_path / 'leftImg8bit/train_extra/erlangen/e_000000_000000_leftImg8bit.png')
    write_labels(tmp_path / 'gtCoarse/train_extra/erlangen/e_000000_000000_gtCoarse_labelIds.png')
    return tmp_path


def vistas_config() -> dict[str, list[dict[str, object]]]:
    mapping = load_mapping('vistas', load_taxonomy('street'))
    names = [label.name for label in mapping.labels] + ['Unlabeled']
    return {'labels': [{'readable': name} for name in names]}


@pytest.fixture(params=['v1.2/labels', 'labels'])
def vistas(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder of two training images and one for validation, newer or older release."""
    for split, keys in (('training', ('aB-c_1', 'zz')), ('validation', ('k0',))):
        for place, key in enumerate(keys):
            write_image(tmp_path / f'{split}/images/{key}.jpg')
            labels = Image.fromarray(np.full(SIZE, 64 + place, np.uint8), 'L')
            labels.putpalette(list(range(3 * 66)))
            path = tmp_path / f'{split}/{request.param}/{key}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            labels.save(path)
    config = 'config_v1.2.json' if request.param != 'labels' else 'config.json'
    (tmp_path / config).write_text(json.dumps(vistas_config()))
    return tmp_path


def test_cityscapes_pairs_each_image_with_its_label_ids(cityscapes: Path) -> None:
    dataset = Cityscapes(cityscapes)
    assert dataset.mapping_name == 'cityscapes'
    samples = [dataset[index] for index in range(len(dataset))]
    assert [sample.name for sample in samples] == [
        'aachen_000000_000019',
        'aachen_000001_000019',
        'bochum_000000_000313',
    ]
    for sample, value in zip(samples, (10, 20, 30), strict=True):
        assert (sample.image == value).all()
        assert sample.image.shape == (*SIZE, 3)
        assert (sample.label_ids == value // 10).all()
        assert sample.label_ids.dtype == np.uint8
    assert Cityscapes(cityscapes, 'val')[0].name == 'lindau_000000_000019'


def test_cityscapes_cities_can_be_kept_or_left_out_and_labels_may_be_coarse(
    cityscapes: Path,
) -> None:
    assert len(Cityscapes(cityscapes, cities=['aachen'])) == 2
    assert Cityscapes(cityscapes, without_cities=['aachen'])[0].name == 'bochum_000000_000313'
    assert len(Cityscapes(cityscapes, 'train_extra', labels='coarse')) == 1
    with pytest.raises(DatasetError, match=r"\['ulm'\] are not in .*expected some of \['aachen'"):
        Cityscapes(cityscapes, cities=['ulm'])
    with pytest.raises(DatasetError, match='leaves no image'):
        Cityscapes(cityscapes, 'val', without_cities=['lindau'])
    with pytest.raises(DatasetError, match="labels are 'polygons'; expected 'fine' or 'coarse'"):
        Cityscapes(cityscapes, labels='polygons')
    with pytest.raises(DatasetError, match="cities are 'aachen'; expected lists"):
        Cityscapes(cityscapes, cities='aachen')


def test_every_label_id_of_cityscapes_has_a_label_set_or_gives_no_gradient(
    cityscapes: Path,
) -> None:
    """0 to 33 and 255, which is -1 in a byte; nothing is unknown."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [mapping_of('cityscapes', taxonomy)])
    label_sets = table.label_set_of_label_id('cityscapes')
    ids = np.array([*range(34), 255])
    assert (label_sets[ids] != UNKNOWN).all()
    assert set(ids[label_sets[ids] == IGNORED].tolist()) == {0, 2, 3, 4, 5, 6, 18, 255}
    path = cityscapes / 'gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png'
    write_labels(path, 255)
    assert (Cityscapes(cityscapes, 'val')[0].label_ids == 255).all()


AACHEN = 'train/aachen/aachen_000000_000019'
CITYSCAPES_FAULTS: dict[str, Fault] = {
    'no label file': (
        lambda root: (root / f'gtFine/{AACHEN}_gtFine_labelIds.png').unlink(),
        r'gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds\.png is missing, the partner',
    ),
    'no image': (
        lambda root: (root / f'leftImg8bit/{AACHEN}_leftImg8bit.png').unlink(),
        r'aachen_000000_000019_leftImg8bit\.png is missing, the partner .*1 of 2 files',
    ),
    'a city without labels': (
        lambda root: shutil.rmtree(root / 'gtFine/train/bochum'), 'bochum.* is missing',
    ),
    'a city without images': (
        lambda root: shutil.rmtree(root / 'leftImg8bit/train/bochum'), 'has no file .*bochum',
    ),
    'no labels at all': (
        lambda root: shutil.rmtree(root / 'gtFine'), r'gtFine/train does not exist',
    ),
    'an empty split': (
        lambda root: [shutil.rmtree(root / f'{top}/train/{city}')
                      for top in ('leftImg8bit', 'gtFine') for city in ('aachen', 'bochum')],
        'leaves no image',
    ),
    'an image that is cut short': (
        lambda root: cut(root / f'leftImg8bit/{AACHEN}_leftImg8bit.png'),
        r'aachen_000000_000019_leftImg8bit\.png is missing or not a readable',
    ),
    'an empty label file': (
        lambda root: (root / f'gtFine/{AACHEN}_gtFine_labelIds.png').write_bytes(b''),
        r'gtFine_labelIds\.png is missing or not a readable',
    ),
    'labels of another size': (
        lambda root: write_labels(root / f'gtFine/{AACHEN}_gtFine_labelIds.png', 7, (24, 39)),
        r'labelIds\.png has size \(24, 39\); expected \(24, 40\)',
    ),
}  # fmt: skip


@pytest.mark.parametrize('fault', CITYSCAPES_FAULTS)
def test_cityscapes_names_what_is_wrong_when_it_is_opened(cityscapes: Path, fault: str) -> None:
    Cityscapes(cityscapes)
    break_it, message = CITYSCAPES_FAULTS[fault]
    break_it(cityscapes)
    with pytest.raises(DatasetError, match=message) as raised:
        Cityscapes(cityscapes)
    assert 'expected' in str(raised.value)
    assert str(cityscapes) in str(raised.value)


def test_a_label_id_that_the_data_set_does_not_have_is_named_with_its_file(
    cityscapes: Path,
) -> None:
    path = cityscapes / 'gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png'
    write_labels(path, 34)
    with pytest.raises(DatasetError, match=rf'{re.escape(str(path))} has the label id 34; exp'):
        Cityscapes(cityscapes, 'val')[0]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(cityscapes: Path) -> None:
    with pytest.raises(DatasetError, match=r"leftImg8bit/vall does not exist .*'train'.*'val'"):
        Cityscapes(cityscapes, 'vall')


def test_vistas_gives_palette_indices_of_either_release(vistas: Path) -> None:
    dataset = Vistas(vistas)
    assert dataset.mapping_name == 'vistas'
    assert [dataset[i].name for i in range(len(dataset))] == ['aB-c_1', 'zz']
    assert [int(dataset[i].label_ids.max()) for i in range(len(dataset))] == [64, 65]
    assert Vistas(vistas, 'val')[0].name == Vistas(vistas, 'validation')[0].name == 'k0'


def test_vistas_prefers_the_labels_of_its_version(tmp_path: Path) -> None:
    """A folder with both releases unpacked over each other."""
    write_image(tmp_path / 'training/images/a.jpg')
    write_labels(tmp_path / 'training/labels/a.png', 1)
    write_labels(tmp_path / 'training/v1.2/labels/a.png', 2)
    (tmp_path / 'config_v1.2.json').write_text(json.dumps(vistas_config()))
    assert (Vistas(tmp_path)[0].label_ids == 2).all()


def test_vistas_refuses_another_list_of_labels(vistas: Path) -> None:
    """The labels of version 2.0 are others under the same numbers."""
    path = next(vistas.glob('config*.json'))
    good = vistas_config()['labels']
    swapped = [good[1], good[0], *good[2:]]
    for labels, message in (
        (swapped, r"has 'Ground Animal' at place 0 of 66; expected 'Bird'"),
        (good[:60], r"has no label at place 60 of 60; expected 'Trailer'"),
        ([*good, {'readable': 'Parking Meter'}], 'has 67 labels; expected the 65'),
    ):
        path.write_text(json.dumps({'labels': labels}))
        with pytest.raises(DatasetError, match=message):
            Vistas(vistas)
    for text in ('', '[]', '{"labels": [1]}', '{"labels": 3}', '\x00'):
        path.write_text(text)
        with pytest.raises(DatasetError, match='has no list of labels'):
            Vistas(vistas)
    path.unlink()
    with pytest.raises(DatasetError, match=r'config_v1\.2\.json is missing'):
        Vistas(vistas)


def test_vistas_names_what_is_missing_when_it_is_opened(vistas: Path) -> None:
    labels = next(vistas.glob('training/**/zz.png'))
    write_labels(labels, 66)
    with pytest.raises(DatasetError, match=r'zz\.png has the label id 66; expected 0 to 65'):
        Vistas(vistas)[1]
    labels.unlink()
    with pytest.raises(DatasetError, match=r'zz\.png is missing, the partner of .*zz\.jpg'):
        Vistas(vistas)
    with pytest.raises(DatasetError, match='testing/images does not exist'):
        Vistas(vistas, 'testing')


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


def test_the_worked_example_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping, the entry of an experiment and the loader, as they are printed there."""
    page = (Path(__file__).parents[2] / 'docs' / 'datasets.md').read_text()
    example = page[page.index('## A dataset of your own') :]
    mapping, entry = re.findall(r'```yaml\n(.*?)```', example, re.DOTALL)
    (code,) = re.findall(r'```python\n(.*?)```', example, re.DOTALL)
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
    names = {'PairedFiles': PairedFiles, 'pair_files': pair_files, 'Path': Path}
    exec(f'from __future__ import annotations\n{code}', names)  # printed, and meant to be run
    loader = names['Yard']
    assert (loader(tmp_path / 'yard', 'day2')[0].label_ids == 2).all()  # type: ignore[operator]


def test_a_limit_takes_images_from_the_whole_list() -> None:
    assert spread('abcdefghij', 3) == ['a', 'd', 'g']
    assert spread('abc', 0) == spread('abc', 3) == spread('abc', 9) == ['a', 'b', 'c']
    for limit in (-1, True, '3', 1.5):
        with pytest.raises(DatasetError, match='limit'):
            spread('abc', limit)  # type: ignore[arg-type]


def test_a_limit_of_a_data_set_leaves_the_other_files_alone(cityscapes: Path) -> None:
    assert len(Cityscapes(cityscapes, limit=2)) == 2


def test_the_kinds_of_an_experiment_are_the_loaders_there_are() -> None:
    assert set(DATASET_KINDS) == set(LOADERS)


def test_open_dataset_says_which_options_there_are(cityscapes: Path) -> None:
    assert len(open_dataset('cityscapes', cityscapes, {'split': 'val'})) == 1
    with pytest.raises(ConfigError, match=r"kind cityscapes has options .*'splt'.*'split', 'cit"):
        open_dataset('cityscapes', cityscapes, {'splt': 'val'})
    with pytest.raises(ConfigError, match=r"kind of dataset is 'kitti'; expected one of \['camv"):
        open_dataset('kitti', cityscapes)
    with pytest.raises(ConfigError, match='kitti'):
        mapping_of('kitti', load_taxonomy('street'))


def test_an_open_data_set_can_be_handed_to_another_process(cityscapes: Path) -> None:
    """As loaders with workers do; nothing of the files' content goes along."""
    dataset = Cityscapes(cityscapes)
    text = pickle.dumps(dataset)
    assert len(text) < 4000
    np.testing.assert_array_equal(pickle.loads(text)[2].image, dataset[2].image)


@pytest.mark.parametrize('ending', ['png', 'jpg', 'webp', 'ppm'])
def test_an_image_that_is_cut_short_is_noticed_without_and_with_decoding(
    tmp_path: Path, ending: str
) -> None:
    """A JPEG decoder fills up with grey, which would train as an image."""
    path = tmp_path / f'x.{ending}'
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8)).save(path)
    assert image_size(path) == (50, 70)
    assert read_image(path).shape == (50, 70, 3)
    whole = path.read_bytes()
    path.write_bytes(whole + b'\0' * 10)
    assert image_size(path) == (50, 70), 'what is appended does no harm'
    for length in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        for read in (image_size, read_image):
            with pytest.raises(DatasetError, match=rf'x\.{ending} is missing or not a readable'):
                read(path)


def test_an_image_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    path = tmp_path / 'x.jpg'
    image = np.zeros((16, 48, 3), np.uint8)
    image[:, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    Image.fromarray(image).save(path, exif=exif)
    assert image_size(path) == (48, 16)
    turned = read_image(path)
    assert turned.shape == (48, 16, 3)
    assert turned[:12].min() > 200
    assert turned[20:].max() < 50


def test_an_image_of_two_bytes_a_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'x.png'
    Image.fromarray(np.full((4, 5), 3000, np.uint16)).save(path)
    with pytest.raises(DatasetError, match="mode 'I;16'.*; expected one byte a colour"):
        read_image(path)
