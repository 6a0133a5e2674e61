# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of classical methods: what ships, what is refused, and runs in their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from classical_runs import small_classical, trained
from drawn_camvid import draw_camvid

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.classical.counted import fit_otsu
from hiseg_ros.training.classical.samples import TrainingImages
from hiseg_ros.training.comparison.classical_rows import EXPERIMENTS
from hiseg_ros.training.config.classical import is_classical_experiment, load_classical_config

SHIPPED = sorted(path.stem for path in config_path('experiments').glob('classical_*.yaml'))


def test_every_method_ships_with_the_held_out_drive_left_out() -> None:
    assert sorted(EXPERIMENTS) == SHIPPED
    for name in SHIPPED:
        config = load_classical_config(name)
        assert config.name == name and is_classical_experiment(name)
        assert config.dataset[1].options['without_drives'] == ['0006R0']
        assert (config.crf is not None) == name.endswith('_crf')
        where = config.with_paths(Path('/data')).dataset[1].root
        assert where == '/data/camvid'
    assert not is_classical_experiment('debug')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'classical': 'magic'}, "classical is 'magic'; expected one of"),
        ({'options': {'segmants': 5}}, "no option 'segmants'; expected 'segments'"),
        ({'options': {'trees': 0}}, 'Option trees is 0; expected a whole number from 1 to 1000'),
        ({'options': {'trees': 2.5}}, 'Option trees is 2.5; expected a whole number'),
        ({'height': 4}, 'height of working images is 4; expected'),
        ({'crf': {'sharpness': 1}}, 'crf is .*sharpness.*; expected some of the keys classes'),
        ({'crf': {'rounds': -1}}, 'rounds of the CRF is -1; expected'),
        ({'network': {}}, 'network is an unknown key; expected one of name'),
        ({'name': '../x'}, 'name is .* expected a file name'),
        ({'datasets': {}}, 'datasets'),
        (
            {'datasets': {name: {'kind': 'camvid', 'root': 'camvid'} for name in 'ab'}},
            'datasets is .* expected a single one, since',
        ),
        (
            {'datasets': {'signs': {'kind': 'gtsdb', 'root': 'gtsdb'}}},
            "kind is 'gtsdb'; expected a dataset with label images",
        ),
    ],
)
def test_what_cannot_be_used_is_said(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """In one sentence with the file, before a folder is read."""
    data = yaml.safe_load(config_path('experiments/classical_superpixel.yaml').read_text())
    path = tmp_path / 'mine.yaml'
    path.write_text(yaml.safe_dump({**data, **changes}))
    with pytest.raises(ConfigError, match=message) as said:
        load_classical_config(path)
    assert str(path) in str(said.value)


def test_a_window_is_whole_cells() -> None:
    with pytest.raises(ConfigError, match='window is 20; expected a multiple of 8'):
        small_classical('hog', Path(), options={'window': 20})


@pytest.mark.needs('classical')
def test_otsu_needs_a_label_of_the_sky(tmp_path: Path) -> None:
    config = small_classical('otsu', draw_camvid(tmp_path), options={'sky': 'Heaven'})
    images = TrainingImages.open(config, load_taxonomy('street'))
    with pytest.raises(ConfigError, match="sky is 'Heaven'; expected a node of taxonomy 'street'"):
        fit_otsu(images, config.method_options(), 1)


@pytest.mark.needs('classical')
def test_a_complete_run_is_left_alone_and_another_one_refused(tmp_path: Path) -> None:
    camvid = draw_camvid(tmp_path / 'camvid')
    path = trained('prior', camvid, tmp_path / 'run')
    written = path.stat().st_mtime_ns
    assert trained('prior', camvid, tmp_path / 'run') == path
    assert path.stat().st_mtime_ns == written
    with pytest.raises(ConfigError, match='holds a run with other settings; expected'):
        trained('prior', camvid, tmp_path / 'run', height=48)
    path.unlink()  # as of an interrupted run
    assert trained('prior', camvid, tmp_path / 'run').is_file()
