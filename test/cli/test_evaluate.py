# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg evaluate` on the command line: scores and refused options."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main
from hiseg_ros.datasets import drawn_export
from hiseg_ros.datasets.drawn_export import write_drawn_scenes
from hiseg_ros.resources import config_path

pytestmark = pytest.mark.needs('torch')

LAYOUTS = sorted(path.stem for path in config_path('layouts').glob('*.yaml'))


@pytest.fixture
def camvid(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return a CamVid folder with four images in val and none in train."""
    root = tmp_path / 'camvid'
    (root / 'images').mkdir(parents=True)
    (root / 'labels').mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for index in range(4):
        truth = rng.integers(0, 12, street_image.shape[:2]).astype(np.uint8)
        cv2.imwrite(str(root / f'images/{index}.png'), street_image[..., ::-1])
        cv2.imwrite(str(root / f'labels/{index}.png'), truth)
        lines.append(f'images/{index}.png labels/{index}.png\n')
    (root / 'val.txt').write_text(''.join(lines))
    (root / 'train.txt').write_text('')
    return root


@pytest.fixture
def gtsdb(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return a GTSDB folder with one image in the held-out part."""
    root = tmp_path / 'gtsdb'
    root.mkdir()
    for number in (5, 6):
        cv2.imwrite(str(root / f'{number:05d}.ppm'), street_image[..., ::-1])
    (root / 'gt.txt').write_text('00005.ppm;10;10;40;40;14\n00006.ppm;10;10;40;40;1\n')
    return root


def evaluate(model: Path, root: Path, *more: str, dataset: str = 'camvid') -> int:
    """Run the verb; return the exit code."""
    return main(
        ['evaluate', '--dataset', dataset, '--root', str(root), '--model', str(model), *more]
    )


def test_dense_labels_give_every_figure_and_a_report(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed, written, and shown with the best and the worst images."""
    out = tmp_path / 'out'
    code = evaluate(tiny_checkpoint, camvid, '--json', str(out / 's.json'), '--report', str(out))
    assert code == 0
    scores = json.loads((out / 's.json').read_text())
    assert json.loads(capsys.readouterr().out) == scores
    assert scores['run']['images'] == scores['images'] == 4
    for decision in ('summed', 'nodes'):
        assert {
            'miou',
            'pixel_accuracy',
            'mean_class_accuracy',
            'frequency_weighted_iou',
            'iou',
            'miou_void_dropped',
            'by_level',
            'by_category',
            'confusion',
        } <= set(scores[decision])
    assert len(scores['calibration']['bins']) == 15
    assert 0 < scores['hierarchy']['f1'] < 1
    html = (out / 'report.html').read_text('utf-8')
    assert html.count('data:image/jpeg;base64,') == 4 * 3
    assert 'tiny' in html


def test_a_limit_takes_the_first_images(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many as asked for, or all there are."""
    for given, images in (('1', 1), ('3', 3), ('100', 4)):
        assert evaluate(tiny_checkpoint, camvid, '--limit', given) == 0
        assert json.loads(capsys.readouterr().out)['images'] == images


def test_drives_are_kept_by_the_beginning_of_their_names(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two drives, one image each."""
    assert evaluate(tiny_checkpoint, camvid, '--drive', '0', '--drive', '2') == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores['images'] == 2
    assert scores['run']['split'] == 'val 0 2'


def test_signs_give_every_figure_and_a_report(
    gtsdb: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The held-out part is the default."""
    code = evaluate(tiny_checkpoint, gtsdb, '--report', str(tmp_path / 'out'), dataset='gtsdb')
    assert code == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores['images'], scores['signs']) == (1, 1)
    assert scores['from_24_px']['signs'] == 1
    assert scores['by_type']['o_stop']['signs'] == 1
    assert len(scores['by_type']) == 43
    assert set(scores['mask_iou']) == {'nodes', 'voted'}
    assert 'o_stop' in (tmp_path / 'out' / 'report.html').read_text('utf-8')


def test_a_folder_of_images_is_measured_with_the_mapping_that_is_named(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same pairs, found by their names, give the same scores."""
    assert evaluate(tiny_checkpoint, camvid) == 0
    expected = json.loads(capsys.readouterr().out)
    for path in (camvid / 'images').iterdir():
        path.rename(path.with_suffix('.jpg'))  # the reader goes by content
    assert evaluate(tiny_checkpoint, camvid, '--mapping', 'camvid', dataset='folder') == 0
    assert json.loads(capsys.readouterr().out)['summed'] == expected['summed']


def test_a_dataset_with_a_layout_is_measured_by_its_name_and_by_its_layout(
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Drawn, written and measured without a download; a condition can be chosen."""
    monkeypatch.setattr(
        drawn_export,
        '_draw_all',
        lambda jobs: [line for job in jobs for line in drawn_export.draw_and_write(job)],
    )
    root = tmp_path / 'acdc'
    write_drawn_scenes('acdc', root, 2, (96, 192))
    assert evaluate(tiny_checkpoint, root, dataset='acdc') == 0
    expected = json.loads(capsys.readouterr().out)
    assert expected['images'] == 1
    assert expected['summed']['pixels']['road'] > 0
    for dataset, more in (('folder', ['--layout', 'acdc']), ('acdc', ['--drive', 'fog'])):
        assert evaluate(tiny_checkpoint, root, *more, dataset=dataset) == 0
        assert json.loads(capsys.readouterr().out)['summed'] == expected['summed']
    assert evaluate(tiny_checkpoint, root, '--drive', 'night', dataset='acdc') == 2
    assert "leaves no image with split='val', only=['night']" in capsys.readouterr().err


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_is_measured_as_a_folder(
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    layout: str,
) -> None:
    monkeypatch.setattr(
        drawn_export,
        '_draw_all',
        lambda jobs: [line for job in jobs for line in drawn_export.draw_and_write(job)],
    )
    write_drawn_scenes(layout, tmp_path / layout, 2, (64, 96))
    root = tmp_path / layout
    assert evaluate(tiny_checkpoint, root, '--layout', layout, dataset='folder') == 0
    found = json.loads(capsys.readouterr().out)
    assert found['images'] == 1
    assert sum(found['summed']['pixels'].values()) > 0


def test_boundaries_common_classes_and_another_split_are_measured_where_asked_for(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, as text beside it, and on the page; the other scores stay as they are."""
    (camvid / 'train.txt').write_text('images/0.png labels/0.png\n')
    assert evaluate(tiny_checkpoint, camvid) == 0
    said = capsys.readouterr()
    plain = json.loads(said.out)
    assert 'common class' not in said.err
    more = ['--boundary', '2', '0.5%', '--common', 'cityscapes_trainids', '--against', 'train']
    assert evaluate(tiny_checkpoint, camvid, *more, '--report', str(tmp_path)) == 0
    said = capsys.readouterr()
    scores = json.loads(said.out)
    extra = {key: scores.pop(key) for key in ('boundary', 'common', 'four_figures')}
    assert scores == plain
    assert list(extra['boundary']['widths']) == ['2 px', '0.5 %']
    assert 0 < extra['boundary']['widths']['2 px']['f'] < 1
    assert extra['common']['sets'] == ['camvid', 'cityscapes_trainids']
    assert 'Sky' in extra['common']['classes']
    val, train = extra['four_figures']['val'], extra['four_figures']['train']
    assert (val['images'], train['images']) == (4, 1)
    assert val['miou'] == plain['summed']['miou'] != train['miou']
    assert val['category_iou'] == plain['summed']['by_category']['miou']
    assert evaluate(tiny_checkpoint, camvid, '--split', 'train') == 0
    of_train = json.loads(capsys.readouterr().out)['summed']
    assert train['confusion'] == of_train['confusion']
    assert train['frequency_weighted_iou'] == of_train['frequency_weighted_iou']
    html = (tmp_path / 'report.html').read_text('utf-8')
    for text in ('F 2 px', 'weighted IoU', 'common class'):
        assert text in said.err
    for text in ('F, 0.5 %', 'Common classes', 'Confusion on train', 'rider + motorcycle'):
        assert text in html


def test_boundaries_without_widths_are_measured_at_three_widths(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tiny_checkpoint, camvid, '--limit', '1', '--boundary') == 0
    widths = json.loads(capsys.readouterr().out)['boundary']['widths']
    assert list(widths) == ['1 px', '3 px', '5 px']


@pytest.mark.parametrize(
    ('dataset', 'more', 'words'),
    [
        ('camvid', ['--split', 'held_out'], "--split is 'held_out'; expected one of train, val"),
        ('gtsdb', ['--split', 'validation'], 'expected one of val, held_out, train, all, test'),
        ('camvid', ['--split', 'train'], 'expected at least one'),
        ('camvid', ['--split', 'test'], 'test.txt does not exist'),
        ('camvid', ['--drive', '0001TP'], 'expected at least one'),
        ('gtsdb', ['--drive', '0001TP'], '--drive is given for gtsdb'),
        ('camvid', ['--limit', '-1'], '--limit is -1'),
        ('camvid', ['--threshold', '2'], 'threshold is 2'),
        ('camvid', ['--mapping', 'nowhere'], 'nowhere'),
        ('folder', [], 'needs --mapping'),
        ('folder', ['--layout', 'nowhere'], 'nowhere.yaml does not exist'),
        ('folder', ['--layout', 'kitti'], 'expected KITTI semantic with training/image_2/'),
        ('kitti', [], 'expected KITTI semantic with training/image_2/*_10.png and training/seman'),
        ('camvid', ['--layout', 'kitti'], '--layout is given for camvid; expected it for folder'),
        ('camvid', ['--boundary', '1.5'], "A width of --boundary is '1.5'; expected whole pixels"),
        ('camvid', ['--common', 'camvid'], "label set 'camvid' is compared with itself"),
        ('camvid', ['--common', 'nowhere'], 'nowhere'),
        ('camvid', ['--against', 'val'], "--against is 'val', the split that is measured anyway"),
        ('camvid', ['--against', 'other'], "--split is 'other'; expected one of train, val"),
        ('camvid', ['--against', 'train'], 'expected at least one'),
        ('gtsdb', ['--boundary'], '--boundary is given for gtsdb; expected it for datasets with'),
        ('gtsdb', ['--common', 'camvid'], '--common is given for gtsdb'),
        ('gtsdb', ['--against', 'train'], '--against is given for gtsdb'),
        ('recording', ['--against', 'train'], '--against is given for recording'),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    camvid: Path,
    gtsdb: Path,
    tiny_checkpoint: Path,
    dataset: str,
    more: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And exit code 2."""
    root = gtsdb if dataset == 'gtsdb' else camvid
    assert evaluate(tiny_checkpoint, root, *more, dataset=dataset) == 2
    error = capsys.readouterr().err
    assert words in error
    assert 'Traceback' not in error


def test_a_mapping_that_names_an_unknown_node_is_refused(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, label and node are named."""
    path = tmp_path / 'own.yaml'
    path.write_text('name: own\nlabels:\n  - {id: 0, name: sky, nodes: [Heaven]}\n')
    assert evaluate(tiny_checkpoint, camvid, '--mapping', str(path)) == 2
    error = capsys.readouterr().err
    assert "names 'Heaven'" in error
    assert 'own.yaml' in error


def test_a_label_that_the_mapping_does_not_know_is_refused(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for unlabelled in silence."""
    path = tmp_path / 'own.yaml'
    path.write_text('name: own\nlabels:\n  - {id: 0, name: sky, nodes: [Sky]}\n')
    assert evaluate(tiny_checkpoint, camvid, '--mapping', str(path)) == 2
    assert 'The labels of 0 have the id 1; expected an id of mapping' in capsys.readouterr().err


def test_ground_truth_of_another_size_is_refused(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named."""
    cv2.imwrite(str(camvid / 'labels/2.png'), np.zeros((5, 7), np.uint8))
    assert evaluate(tiny_checkpoint, camvid) == 2
    assert '2.png' in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_known_before_the_first_image(
    camvid: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Minutes of measuring are not thrown away."""
    from hiseg_ros.inference.engine import Engine

    monkeypatch.setattr(Engine, 'segment', lambda *_: pytest.fail('measured'))
    (tmp_path / 'taken').write_text('')
    assert evaluate(tiny_checkpoint, camvid, '--report', str(tmp_path / 'taken')) == 2
    assert 'taken' in capsys.readouterr().err


def test_crf_is_in_scores_and_facts_and_its_search_tries_several(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it nothing about it is said."""
    quick = ('--limit', '1', '--crf', '--crf-option', 'rounds=1', '--crf-option', 'classes=4')
    assert evaluate(tiny_checkpoint, camvid, *quick) == 0
    with_crf = json.loads(capsys.readouterr().out)
    assert with_crf['run']['crf']['rounds'] == 1
    assert evaluate(tiny_checkpoint, camvid, '--limit', '1') == 0
    without = json.loads(capsys.readouterr().out)
    assert 'crf' not in without['run']
    assert with_crf['summed']['confusion'] != without['summed']['confusion']
    out = tmp_path / 'search.json'
    assert evaluate(tiny_checkpoint, camvid, *quick, '--crf-search', '2', '--json', str(out)) == 0
    rows = json.loads(out.read_text())
    assert len(rows) == 3
    scores = {json.dumps(row['crf']): row['miou'] for row in rows}
    assert scores['null'] == pytest.approx(without['summed']['miou'])
    assert scores[json.dumps(with_crf['run']['crf'])] == pytest.approx(with_crf['summed']['miou'])


def test_crf_is_refused_where_it_cannot_be(
    camvid: Path, gtsdb: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tiny_checkpoint, camvid, '--crf-search', '2') == 2
    assert '--crf-search is given without --crf' in capsys.readouterr().err
    assert evaluate(tiny_checkpoint, gtsdb, '--crf', '--crf-search', '2', dataset='gtsdb') == 2
    assert 'a dataset with dense labels' in capsys.readouterr().err
    assert evaluate(tiny_checkpoint, camvid, '--crf', dataset='recording') == 2
    assert 'holds no probabilities' in capsys.readouterr().err
