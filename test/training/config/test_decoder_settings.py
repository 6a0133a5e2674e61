# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a decoder cannot have is said in one sentence before anything is built."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.registry import DECODERS
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TeacherConfig, TrainingConfig
from hiseg_ros.training.config.loss import LossConfig

DRAWN = {'drawn': DatasetConfig('drawn', 'drawn', 2)}


def run_of(decoder: str, crop: tuple[int, int] = (256, 320), **network: Any) -> TrainingConfig:
    """Return a run with a decoder."""
    return TrainingConfig(
        'x', 'street', NetworkConfig(decoder=decoder, **network), DRAWN, crop=crop
    )


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'decoder': 'unest'}, r"decoder is 'unest'; expected one of \['fusion', .*'pixelnet'"),
        ({'decoder': ['unet']}, 'decoder is .*expected one of'),
        (
            {'decoder': 'fcn32', 'output_stride': 16},
            r"output_stride is 16 for the decoder 'fcn32'; expected one of \[32\]",
        ),
        ({'decoder': 'fpn', 'output_stride': 8}, r"'fpn'; expected one of \[32\]"),
        ({'decoder': 'deeplabv3'}, r"32 for the decoder 'deeplabv3'; expected one of \[8, 16\]"),
        ({'decoder': 'deeplabv3plus'}, r'expected one of \[8, 16\]'),
        ({'decoder': 'gscnn'}, r'expected one of \[8, 16\]'),
        (
            {'decoder': 'segnet', 'backbone': 'resnet18'},
            "backbone is 'resnet18' for the decoder 'segnet'.*such as 'vgg16_bn'",
        ),
        (
            {'decoder': 'fusion', 'decoder_options': {'width': 64}},
            r"decoder_options has 'width' for the decoder 'fusion'; expected one of \['upsampling",
        ),
        (
            {'decoder': 'summed', 'decoder_options': {'width': 64}},
            "'width' for the decoder 'summed'; expected none: remove it",
        ),
        (
            {'decoder': 'fusion', 'decoder_options': {'upsampling': 'cubic'}},
            r"upsampling is 'cubic' for .*'fusion'; expected one of \['bilinear', 'nearest', ",
        ),
        ({'decoder': 'fusion', 'decoder_options': {'upsampling': 3}}, 'upsampling is 3'),
        ({'decoder_options': 3}, 'decoder_options is 3; expected names of options'),
        (
            {'decoder': 'fcn8', 'decoder_options': {'width': 0}},
            'decoder_options.width is 0 .*expected a whole number from 1 to 2048',
        ),
        ({'decoder': 'fcn8', 'decoder_options': {'width': True}}, 'width is True'),
        (
            {'decoder': 'gscnn', 'output_stride': 16, 'decoder_options': {'rates': [1, 2]}},
            r'rates is \(1, 2\) .*expected three whole numbers from 1 to 256',
        ),
        ({'decoder': 'refinenet', 'decoder_options': {'light': 1}}, 'light is 1 .*true or false'),
    ],
)
def test_a_decoder_that_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    """The message names the setting, what was found and what was expected."""
    with pytest.raises(ConfigError, match=words):
        NetworkConfig(**settings)


def test_lists_of_files_are_the_tuples_of_code() -> None:
    """So a network compares equal to its file's, and default options are not written."""
    listed = NetworkConfig(decoder='gscnn', output_stride=16, decoder_options={'rates': [1, 2, 3]})
    assert listed == NetworkConfig(
        decoder='gscnn', output_stride=16, decoder_options={'rates': (1, 2, 3)}
    )
    assert listed.values()['decoder_options'] == {'rates': (1, 2, 3)}
    assert 'decoder_options' not in NetworkConfig().values()
    assert hash(listed) == hash(replace(listed))


@pytest.mark.parametrize(
    ('decoder', 'crop', 'network', 'words'),
    [
        (
            'pspnet',
            (96, 320),
            {},
            "crop of 96x320 has 3x10 cells at stride 32.*'pspnet' pools into 6x6 .*least 192 pix",
        ),
        ('upernet', (160, 160), {}, "'upernet' pools into 6x6 bins; expected at least 192 pixels"),
        (
            'deeplabv3',
            (128, 320),
            {'output_stride': 16},
            "8x20 cells at stride 16, .*'deeplabv3' has an atrous rate of 9, .*nothing but padd",
        ),
        (
            'deeplabv3plus',
            (256, 320),
            {'output_stride': 16, 'decoder_options': {'rates': (6, 12, 18)}},
            'atrous rate of 18',
        ),
        ('gscnn', (64, 64), {'output_stride': 8}, 'atrous rate of 9'),
    ],
)
def test_a_crop_too_small_for_a_decoder_is_refused(
    decoder: str, crop: tuple[int, int], network: dict[str, Any], words: str
) -> None:
    """And the same decoder takes a larger one."""
    with pytest.raises(ConfigError, match=words):
        run_of(decoder, crop, **network)
    run_of(decoder, (512, 512), **network)


def test_a_batch_with_one_value_for_a_norm_is_refused() -> None:
    """One image whose crop is one cell; two images or two cells are enough."""
    run = run_of('fusion', (32, 32))
    words = 'A batch has one image, and its crop of 32x32 one cell at stride 32; expected at least'
    one = {'drawn': replace(DRAWN['drawn'], share=1)}
    with pytest.raises(ConfigError, match=words):
        replace(run, datasets=one)
    replace(run, datasets=one, crop=(32, 64))
    two = {**one, 'more': DatasetConfig('folder', 'x', 1, options={'mapping': 'camvid'})}
    replace(run, datasets=two)
    later = {**one, 'more': replace(two['more'], from_epoch=1)}
    with pytest.raises(ConfigError, match='A batch has one image'):
        replace(run, datasets=later)
    with pytest.raises(ConfigError, match='A batch of a dataset with its own norms has one image'):
        replace(run, datasets=two, dataset_norm=True)


@pytest.mark.parametrize(
    ('decoder', 'network', 'loss', 'words'),
    [
        (
            'fusion',
            {},
            {'points': 81921},
            'points is 81921, and a crop of 256x320 has 81920 pixels; expected at most as many',
        ),
        (
            'pixelnet',
            {'branch': 'bottleneck'},
            {'points': 9},
            "branch is 'bottleneck', which looks at neighbours, and decoder 'pixelnet' with loss",
        ),
        (
            'deeplabv3plus',
            {'output_stride': 16},
            {'edge_weight': 20.0},
            r"edge_weight is 20.0 with the decoder 'deeplabv3plus'; .*\(\['gscnn'\]\), or 0",
        ),
        ('fusion', {}, {'edge_attention_weight': 1}, "attention_weight is 1 with .*'fusion'"),
        (
            'pixelnet',
            {},
            {'points': 9, 'dual_task_weight': 1.0},
            "dual_task_weight is 1.0, and decoder 'pixelnet' with loss.points computes single",
        ),
    ],
)
def test_a_loss_that_does_not_go_with_a_network_is_refused(
    decoder: str, network: dict[str, Any], loss: dict[str, Any], words: str
) -> None:
    """One sentence, from an experiment's settings alone."""
    run = run_of(decoder, **network)
    with pytest.raises(ConfigError, match=words):
        replace(run, loss=LossConfig(**loss))
    replace(run, loss=LossConfig(points=81920 if decoder == 'fusion' else 0))


def test_points_and_a_teacher_go_together_but_for_single_points() -> None:
    """A teacher speaks of the cells of a grid."""
    teacher = TeacherConfig('x.safetensors', 'cityscapes_teacher')
    loss = LossConfig(points=100)
    replace(run_of('fusion'), loss=loss, teacher=teacher)
    with pytest.raises(ConfigError, match="a teacher, and decoder 'pixelnet' with loss.points"):
        replace(run_of('pixelnet'), loss=loss, teacher=teacher)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'points': -1}, 'points is -1; expected a number of at least 0'),
        ({'points': 2.5}, 'points is 2.5'),
        ({'points_drawn': 'per_class'}, "points_drawn is 'per_class'; .* where points is 0"),
        ({'points': 5, 'points_drawn': 'all'}, "points_drawn is 'all'"),
        ({'edge_weight': -1}, 'edge_weight is -1'),
    ],
)
def test_settings_of_points_and_outlines_are_checked(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LossConfig(**settings)


def test_the_page_has_a_row_for_every_decoder() -> None:
    """With its output strides and its options."""
    page = Path(__file__).resolve().parents[3] / 'docs' / 'networks.md'
    lines = page.read_text(encoding='utf-8').splitlines()
    rows = {cells[1].strip(): cells for line in lines if len(cells := line.split('|')) == 8}
    assert {name.strip('`') for name in rows if name.startswith('`')} == set(DECODERS)
    for name, entry in DECODERS.items():
        _, _, _, _, strides, options, source, _ = rows[f'`{name}`']
        assert strides.strip() == ', '.join(map(str, entry.output_strides))
        assert re.findall(r'`(\w+)`', options) == list(entry.options)
        assert source.strip()
