# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Where the package's data files are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros import resources
from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path, default_model, named_or_path, share_dir, tree_model


def package_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the module believe that it lies in a folder without data files."""
    module = root / 'hiseg_ros' / 'resources.py'
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(resources, '__file__', str(module))
    monkeypatch.setattr(resources.sys, 'prefix', str(root / 'no_prefix'))
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    return root


def share_in(prefix: Path) -> Path:
    """Make a share folder with a taxonomy folder below a prefix."""
    share = prefix / 'share' / 'hiseg_ros'
    (share / 'config' / 'taxonomies').mkdir(parents=True)
    return share


def test_the_checkout_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are absolute and do not depend on the current folder."""
    monkeypatch.chdir(tmp_path)
    assert (share_dir() / 'config' / 'taxonomies' / 'street.yaml').is_file()
    assert config_path('taxonomies/street.yaml') == share_dir() / 'config/taxonomies/street.yaml'
    assert default_model() == share_dir() / 'models' / 'street_vit.safetensors'
    assert tree_model('.onnx') == share_dir() / 'models' / 'street_lite.onnx'
    assert share_dir().is_absolute()


def test_a_colcon_install_is_found_by_the_ament_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any prefix of AMENT_PREFIX_PATH, empty entries skipped."""
    package_at(tmp_path / 'elsewhere', monkeypatch)
    share = share_in(tmp_path / 'overlay')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f':{tmp_path / "base"}:{tmp_path / "overlay"}:')
    assert share_dir() == share


@pytest.mark.parametrize(
    'place', ['lib/python3.12/site-packages', 'local/lib/python3.10/dist-packages']
)
def test_an_install_without_its_environment_is_found_beside_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """<prefix>/lib/python3.x/site-packages has its share folder at <prefix>/share."""
    package_at(tmp_path / place, monkeypatch)
    share = share_in(tmp_path / ('local' if place.startswith('local') else ''))
    assert share_dir() == share


def test_a_pip_install_is_found_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sys.prefix/share, as data_files are installed."""
    package_at(tmp_path / 'elsewhere', monkeypatch)
    share = share_in(tmp_path / 'env')
    monkeypatch.setattr(resources.sys, 'prefix', str(tmp_path / 'env'))
    assert share_dir() == share


def test_missing_data_files_are_said_with_the_places_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names every place."""
    package_at(tmp_path / 'elsewhere', monkeypatch)
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/nowhere')
    with pytest.raises(ConfigError, match=r'/opt/nowhere/share/hiseg_ros.*install the package'):
        share_dir()


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('street', None),
        ('mine.yaml', 'mine.yaml'),
        ('mine.yml', 'mine.yml'),
        ('folder/mine', 'folder/mine'),
        (Path('a/b.yaml'), 'a/b.yaml'),
        ('/abs/x', '/abs/x'),
    ],
)
def test_a_bare_name_is_the_packages_and_anything_else_a_path(
    value: str | Path, expected: str | None
) -> None:
    """A file in the current folder needs its ending to be meant."""
    found = named_or_path(value, 'taxonomies')
    wanted = config_path('taxonomies/street.yaml') if expected is None else Path(expected)
    assert found == wanted
