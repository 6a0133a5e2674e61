# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment heterogeneous` on drawn datasets, through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import yaml

from hiseg_ros.cli.__main__ import main
from hiseg_ros.resources import named_or_path

pytestmark = [
    pytest.mark.needs('torch', 'train'),
    pytest.mark.filterwarnings('ignore::UserWarning'),
    pytest.mark.filterwarnings('ignore:.*LeafSpec'),
]


@pytest.fixture(scope='module')
def trio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with drawn datasets in the layouts of Cityscapes, Vistas and GTSDB."""
    folder = tmp_path_factory.mktemp('trio')
    for layout in ('cityscapes', 'vistas', 'gtsdb'):
        size = '160x320' if layout == 'gtsdb' else '64x128'
        given = ['--format', layout, '--output', str(folder / layout), '--count', '5']
        assert main(['synthesize', *given, '--size', size]) == 0
    return folder


def small_base(folder: Path) -> Path:
    """Write the drawn comparison with a budget of two steps; return the file."""
    data = yaml.safe_load(named_or_path('heterogeneous_drawn', 'experiments').read_text())
    data |= {'name': 'small', 'crop': [64, 64], 'steps': 2, 'steps_per_epoch': 2}
    data |= {'warmup_steps': 1, 'workers': 0, 'threads': 1, 'precision': '32-true'}
    data['network'] |= {'backbone': 'mobilenetv4_conv_small_035', 'channels': 16}
    for dataset in data['datasets'].values():
        dataset['share'] = 1
    data['datasets']['gtsdb']['options']['held_out_every'] = 2
    path = folder / 'small.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def test_rows_are_trained_measured_and_drawn(
    trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Common tree, heads of their own, HSSN, the paper's tree, and one dataset alone."""
    output = tmp_path / 'runs'
    command = ['experiment', 'heterogeneous', '--base', str(small_base(tmp_path)), '--quick']
    command += ['--steps', '3', '--data', str(trio), '--limit', '1', '--output', str(output)]
    rows = ['together', 'hssn', 'heads', 'concat', 'iv2018', 'alone_gtsdb', 'without_vistas']
    for name in rows:
        command += ['--only', name]
    command += ['--factor', 'iv2018=0.7', '--accelerator', 'cpu']
    assert main(command) == 0
    said = capsys.readouterr().out
    results = json.loads((output / 'results.json').read_text())
    assert [row['variant'] for row in results] == rows
    names = {'cityscapes: mIoU', 'vistas: mIoU', 'gtsdb: sign recall'}
    names |= {'gtsdb: found with right type', 'gtsdb: region precision'}
    for row in results:
        assert names <= set(row['scores'])
        assert any(name.startswith('cityscapes: ') for name in set(row['scores']) - names)
        assert all(0 <= value <= 1 for value in row['scores'].values())
    assert 'run 7 of 7: without_vistas, seed 1; about ' in said
    assert 'Does joint training beat training alone at equal exposure?' in said
    assert (output / 'comparison.png').stat().st_size > 10_000
    page = (output / 'comparison.md').read_text()
    # Three steps of three crops; alone one step of three; 0.7 times three steps.
    assert '| together: tree, set loss, conditional head | 1 | 3 | 9 | 3 | 3 | 3 |' in page
    assert '| gtsdb alone, equal exposure | 1 | 1 | 3 | 0 | 3 | 0 |' in page
    assert '| together: as published in 2018 | 1 | 2 | 6 | 2 | 2 | 2 |' in page
    assert '| together without vistas | 1 | 3 | 6 | 3 | 3 | 0 |' in page
    weights = output / 'heads_1' / 'heads.safetensors'
    written = weights.stat().st_mtime_ns
    # Nothing is trained twice, and the page of fewer rows has those of the call before.
    assert main([*command[: command.index('--only')], '--only', 'heads', *command[-4:]]) == 0
    assert weights.stat().st_mtime_ns == written
    assert (output / 'comparison.md').read_text() == page


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--seeds', '0'], '--seeds is 0; expected'),
        (['--steps', '-1'], '--steps is -1; expected'),
        (['--only', 'tree'], r"no variants ['tree']; expected some of ['together'"),
        (['--classical'], '--classical was given with heterogeneous; expected it with networks'),
        (['--factor', 'tree=2'], r"no variants ['tree']; expected some of ['together'"),
        (['--factor', 'heads'], "--factor is 'heads'; expected a variant and a number"),
    ],
)
def test_a_bad_argument_ends_with_one_sentence(
    extra: list[str], message: str, trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(small_base(tmp_path))
    command = ['experiment', 'heterogeneous', '--base', base, '--data', str(trio)]
    assert main([*command, '--output', str(tmp_path / 'runs'), *extra]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]


def small_networks(folder: Path) -> Path:
    """Write the drawn comparison of networks with a budget of two steps; return the file."""
    data = yaml.safe_load(named_or_path('networks_drawn', 'experiments').read_text())
    data |= {'name': 'small', 'crop': [64, 64], 'steps': 2, 'steps_per_epoch': 2}
    data |= {'warmup_steps': 1, 'workers': 0, 'threads': 1, 'precision': '32-true'}
    data['network'] |= {'backbone': 'mobilenetv4_conv_small_035', 'channels': 16}
    data['datasets']['cityscapes']['share'] = 2
    path = folder / 'networks.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def small_adaptation(folder: Path) -> Path:
    """Write the drawn comparison of adaptation methods with a budget of 3 steps."""
    data = yaml.safe_load(named_or_path('adaptation_drawn', 'experiments').read_text())
    data |= {'name': 'small', 'crop': [128, 128], 'steps': 3, 'steps_per_epoch': 3}
    data |= {'warmup_steps': 1, 'workers': 0, 'threads': 1, 'precision': '32-true'}
    data['network'] |= {'backbone': 'mobilenetv4_conv_small_035', 'channels': 16}
    data['datasets']['drawn'] |= {'share': 2}
    data['datasets']['drawn']['options'] |= {'count': 4, 'size': [128, 192]}
    data['datasets']['cityscapes']['share'] = 2
    data['adaptation']['target']['share'] = 2
    path = folder / 'adaptation.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def test_adaptation_is_trained_measured_and_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From drawn scenes to others, five rows; a second call trains nothing."""
    from hiseg_ros.datasets.registry import DATASETS

    monkeypatch.setitem(
        DATASETS['drawn'].splits, 'val', {'first_seed': 900_000, 'count': 2, 'size': (128, 192)}
    )
    scenes = ['--output', str(tmp_path / 'cityscapes'), '--count', '14', '--size', '64x128']
    assert main(['synthesize', '--format', 'cityscapes', *scenes]) == 0
    output = tmp_path / 'runs'
    command = ['experiment', 'adaptation', '--base', str(small_adaptation(tmp_path)), '--quick']
    command += ['--steps', '3', '--data', str(tmp_path), '--output', str(output)]
    command += ['--accelerator', 'cpu', '--limit', '1']
    capsys.readouterr()
    assert main(command) == 0
    said = capsys.readouterr().out
    results = json.loads((output / 'results.json').read_text())
    names = ['source_only', 'fda', 'single', 'classmix', 'oracle']
    assert [row['variant'] for row in results] == names
    page = (output / 'comparison.md').read_text()
    for name in names:
        assert f'| {name} |' in said and f'| {name} |' in page
    assert 'cityscapes: mIoU, seed 1: of 1 mixing rows classmix is best with ' in said
    assert '| true, source |' in page
    assert '**IoU by class, cityscapes**' in page
    weights = output / 'single_1' / 'single.safetensors'
    written = weights.stat().st_mtime_ns
    assert main([*command, '--only', 'fda']) == 0
    assert weights.stat().st_mtime_ns == written
    for name in names:  # those of the call before
        assert f'| {name} |' in (output / 'comparison.md').read_text()
    assert json.loads((output / 'results.json').read_text()) == results


def test_networks_are_trained_measured_timed_and_drawn(
    trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be exported has no time, and a second call trains nothing."""
    output = tmp_path / 'runs'
    command = ['experiment', 'networks', '--base', str(small_networks(tmp_path)), '--quick']
    command += ['--steps', '2', '--data', str(trio), '--output', str(output)]
    for name in ('fusion', 'fcn8', 'fusion_unpool', 'best_crf', 'classical_prior'):
        command += ['--only', name]
    command += ['--accelerator', 'cpu', '--limit', '1']
    assert main(command) == 0
    said = capsys.readouterr().out
    assert 'Backbones start from random numbers' in (output / 'comparison.md').read_text()
    results = json.loads((output / 'results.json').read_text())
    names = ['fusion', 'fcn8', 'fusion_unpool', 'classical_prior']
    *trained, refined = [row['variant'] for row in results]
    assert trained == names and refined in ('fusion+crf', 'fcn8+crf')
    assert all('cityscapes: mIoU' in row['scores'] for row in results)
    assert all(0 <= row['scores']['cityscapes: boundary F 3 px'] <= 1 for row in results)
    page = (output / 'comparison.md').read_text()
    assert ' cityscapes: boundary F 3 px |' in page
    scores, _, of_labels = page.partition('**IoU of each label**')
    assert '\n| fcn8 | ' in of_labels and f'\n| {refined} | ' in of_labels
    rows = {
        cells[1].strip(): cells for line in scores.splitlines() if (cells := line.split('|'))[1:]
    }
    assert float(rows['fusion'][5]) == 1
    assert float(rows['fcn8'][5]) > 0
    assert rows['fusion_unpool'][4:6] == [' - ', ' - ']
    assert float(rows[refined][4]) > float(rows[refined.removesuffix('+crf')][4])
    assert rows['classical_prior'][3] == ' - ' and float(rows['classical_prior'][4]) > 0
    assert 'classical methods: ' in said
    assert float(rows['fcn8'][2]) > 0 and float(rows['fcn8'][3]) > 0
    assert '**Kinds of upsampling in the decoder fusion**' in said
    assert 'which gaps are more than chance is not said' in page
    for name in ('comparison.png', 'strip.jpg'):
        drawn = cv2.imread(str(output / name))
        assert min(drawn.shape[:2]) > 50 and drawn.std() > 5
    weights = output / 'fcn8_1' / 'fcn8.safetensors'
    written = weights.stat().st_mtime_ns
    assert main(command) == 0
    assert weights.stat().st_mtime_ns == written


def test_without_its_weights_a_backbone_learns_like_one_that_knows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held back as a pretrained one is, it would stay as it starts; the warm-up fits the steps."""
    from hiseg_ros.cli import experiment

    seen = []
    monkeypatch.setattr(
        experiment, 'compare_networks', lambda options, base, *rest: seen.append((base, *rest))
    )
    command = ['experiment', 'networks', '--data', str(tmp_path), '--steps', '40']
    assert main(command) == 0
    base, *_, start = seen[0]
    assert base.backbone_weights == '' and start == 'random numbers'
    assert base.backbone_learning_rate == 1.0 and 'backbone' not in base.frozen_norms
    assert base.steps == 40 and 0 < base.warmup_steps < 40
    said = capsys.readouterr().out
    assert 'The backbone starts from random numbers, and learns at the full rate' in said
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'weights' / 'efficientvit_b0_cityscapes.safetensors').touch()
    assert main(['experiment', 'networks', '--data', str(tmp_path)]) == 0
    base, *_, start = seen[1]
    assert start == 'efficientvit_b0_cityscapes.safetensors'
    assert base.backbone_learning_rate == 0.05 and 'backbone' in base.frozen_norms


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['networks', '--only', 'vgg'], r"no variants ['vgg']; expected some of ['fusion', 'su"),
        (['networks', '--factor', 'fcn8=2'], '--factor was given with networks; expected'),
        (['networks', '--only', 'best_crf'], 'none is compared; expected at least one'),
        (['networks', '--only', 'deeplabv3'], "'deeplabv3' has an atrous rate of 9"),
    ],
)
def test_what_a_comparison_of_networks_cannot_have_is_said_before_training(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(small_networks(tmp_path))
    command = ['experiment', *arguments, '--base', base, '--data', str(tmp_path)]
    assert main([*command, '--output', str(tmp_path / 'runs')]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()


def test_a_missing_data_set_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(small_base(tmp_path))
    command = ['experiment', 'heterogeneous', '--base', base, '--data', str(tmp_path / 'nowhere')]
    assert main([*command, '--output', str(tmp_path / 'runs')]) == 2
    assert 'cityscapes' in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()
