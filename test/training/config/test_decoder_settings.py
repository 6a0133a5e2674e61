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
from hiseg_ros.training.config.experiment import DatasetConfig, TrainingConfig

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
            {'decoder_options': {'width': 64}},
            r"decoder_options has 'width' for the decoder 'fusion'; expected one of \['upsampling",
        ),
        (
            {'decoder': 'summed', 'decoder_options': {'width': 64}},
            "'width' for the decoder 'summed'; expected none: remove it",
        ),
        (
            {'decoder_options': {'upsampling': 'cubic'}},
            r"upsampling is 'cubic' for .*'fusion'; expected one of \['bilinear', 'nearest', ",
        ),
        ({'decoder_options': {'upsampling': 3}}, 'upsampling is 3'),
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
