# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The version and the data files; everything else of the pip package is in setup.cfg."""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent


def data_files(*folders: str) -> list[tuple[str, list[str]]]:
    """Return (target folder, files) for every file below the folders, for share/hiseg_ros.

    colcon installs the same files to the share folder of the same name.
    """
    targets: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob('*')):
            if path.is_file():
                relative = path.relative_to(ROOT)
                target = f'share/hiseg_ros/{relative.parent.as_posix()}'
                targets.setdefault(target, []).append(relative.as_posix())
    return list(targets.items())


setup(version='0.1.0', data_files=data_files('config', 'models', 'msg'))
