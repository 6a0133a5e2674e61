# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings by path, pattern or URL, and a local copy of those that are in object storage."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from hiseg_ros.bags.bag_files import METADATA, SUFFIXES
from hiseg_ros.bags.compression import ZSTD_SUFFIX
from hiseg_ros.errors import BagError, ConfigError, reason_of

_URL = re.compile(r'[a-z][a-z0-9+.-]+://', re.IGNORECASE)
_WILD = re.compile(r'[*?[]')
LIST_NAME = '.hiseg_source.json'


@dataclass(frozen=True)
class Source:
    """Place of a recording."""

    location: str
    """Absolute path, or URL of fsspec: 's3://bucket/robot_1/drive.mcap'."""

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return is_url(self.location)

    @property
    def name(self) -> str:
        """Name of its file or folder."""
        return self.location.rstrip('/').rpartition('/')[2]

    @property
    def robot(self) -> str:
        """Name of the folder that it lies in: recordings of a robot are kept together."""
        return self.location.rstrip('/').rpartition('/')[0].rpartition('/')[2]


def is_url(text: str) -> bool:
    """Return whether a text is a URL and no path; file:// is a path."""
    return bool(_URL.match(text)) and not text.startswith('file://')


def find_sources(words: Iterable[str], output: Path | None = None) -> list[Source]:
    """Return the recordings that paths, patterns and URLs name, each once, in their order.

    Args:
        words: Paths of bags, patterns with *, ? and ** of paths or URLs.
        output: Folder whose bags are left out: those that an earlier run wrote.

    Raises:
        ConfigError: A pattern fits nothing, a URL cannot be listed, or all bags are in the output.
    """
    found: dict[str, Source] = {}
    for word in words:
        for location in _locations(word.removeprefix('file://')):
            found.setdefault(location, Source(location))
    places = [place for place in found if not _is_in_bag(place, found)]
    kept = [found[place] for place in places if not _is_below(found[place], output)]
    if places and not kept:
        raise ConfigError(
            f'All recordings are in the output folder {output}; expected some outside: name other '
            'recordings, or another folder with --output.'
        )
    return kept


def _is_in_bag(place: str, found: Container[str]) -> bool:
    """Return whether a place is a file of a bag whose folder was found too.

    drives/** fits both, and so does **/*.mcap where the folder has such a name.
    """
    folder = place.rpartition('/')[0]
    if folder not in found:
        return False
    return is_url(place) or (_may_be_bag(folder) and not os.path.isdir(place))


def _is_below(source: Source, folder: Path | None) -> bool:
    if folder is None or source.is_remote:
        return False
    # By their real paths: one of the two may lead through a link.
    return Path(os.path.realpath(source.location)).is_relative_to(os.path.realpath(folder))


def _locations(word: str) -> list[str]:
    if not _WILD.search(word) or (not is_url(word) and os.path.lexists(word)):
        return [word if is_url(word) else os.path.abspath(word)]
    if is_url(word):
        file_system, path = _file_system(word)
        try:
            paths = [str(one) for one in file_system.glob(path)]
        except Exception as error:  # noqa: BLE001  each file system has errors of its own
            raise _unreachable(word, error) from error
        scheme = word.partition('://')[0]
        places = [one if is_url(one) else f'{scheme}://{one.lstrip("/")}' for one in paths]
    else:
        places = [os.path.abspath(one) for one in glob.glob(word, recursive=True)]
    places = sorted(one for one in places if _may_be_bag(one))
    if not places:
        raise ConfigError(
            f'No recording fits the pattern {word}; expected bags: put the pattern in quotes and '
            'check it.'
        )
    return places


def _is_bag_name(place: str) -> bool:
    return place.removesuffix(ZSTD_SUFFIX).endswith(SUFFIXES)


def _may_be_bag(place: str) -> bool:
    if is_url(place):
        return _is_bag_name(place)  # other folders are named whole, without a pattern
    folder = Path(place)
    if not folder.is_dir():
        return _is_bag_name(place)  # a link that leads nowhere is told when it is opened
    return (folder / METADATA).is_file() or any(
        _is_bag_name(entry.name) and not entry.is_dir() for entry in folder.iterdir()
    )


def _file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        ConfigError: Its package is not installed, or credentials are missing.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'{url} is a URL, and Python has no module fsspec; expected the extra "fleet": pip '
            'install "hiseg_ros[fleet]".'
        ) from error
    try:
        file_system, path = url_to_fs(url)
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        raise _unreachable(url, error) from error
    return file_system, path


def _unreachable(url: str, error: Exception) -> ConfigError:
    scheme = url.partition('://')[0]
    return ConfigError(
        f'{url} cannot be read ({reason_of(error)}); expected storage of fsspec that answers: '
        f'check the address, install the package for {scheme}, and give its credentials in the '
        'environment of every machine.'
    )


def signature(source: Source) -> str:
    """Return what changes with the content of a recording, as far as names and times tell.

    Raises:
        BagError: There is no such recording.
        ConfigError: The storage does not answer.
    """
    if source.is_remote:
        rows = [[name, info] for name, info in sorted(_remote_files(source).items())]
    else:
        path = Path(source.location)
        if not path.exists():
            raise BagError(f'There is no recording {path}; expected a bag: check the path.')
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file, file.stat()) for file in files if file.is_file()]
        rows = [[file.name, [one.st_size, one.st_mtime_ns]] for file, one in stats]
    text = json.dumps([source.location, rows], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _remote_files(source: Source) -> dict[str, Any]:
    """Return size and version of the files of a remote recording, by their paths.

    Raises:
        BagError: There is none.
        ConfigError: The storage does not answer.
    """
    file_system, path = _file_system(source.location)
    try:
        if file_system.isdir(path):
            infos = [one for one in file_system.ls(path, detail=True) if one['type'] == 'file']
        else:
            infos = [file_system.info(path)]
    except FileNotFoundError as error:
        raise BagError(
            f'There is no recording {source.location}; expected a bag: check the URL.'
        ) from error
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        raise _unreachable(source.location, error) from error
    keys = ('size', 'ETag', 'etag', 'mtime', 'created', 'LastModified', 'updated', 'md5Hash')
    wanted = [one for one in infos if _is_bag_name(one['name']) or one['name'].endswith(METADATA)]
    return {one['name']: [str(one.get(key)) for key in keys] for one in wanted}


def local_path(source: Source, version: str, cache: Path | None = None) -> Path:
    """Return the path of a recording, after copying a remote one to this machine.

    Workers of one machine share the copy.

    Args:
        source: The recording.
        version: Its `signature`.
        cache: Folder for copies; None for one in the folder of temporary files.

    Raises:
        BagError: It is no longer there.
        ConfigError: The storage does not answer, or the disk is full.
    """
    if not source.is_remote:
        return Path(source.location)
    folder = cache or Path(gettempdir())
    try:
        folder = (cache or default_cache()) / version
        target = folder / source.name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / LIST_NAME).is_file():
                _copy(source, target)
                (folder / LIST_NAME).write_text(json.dumps(source.location))
    except OSError as error:
        raise ConfigError(
            f'{source.location} cannot be copied to {folder} ({error}); expected room for the '
            'recording there: set TMPDIR to another folder.'
        ) from error
    return target


def default_cache() -> Path:
    """Return the folder for copies of recordings on this machine, which is this user's alone.

    Raises:
        ConfigError: Somebody else has made one of that name.
        OSError: It cannot be made.
    """
    folder = Path(gettempdir()) / f'hiseg_fleet_{os.getuid()}'
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise ConfigError(
            f'{folder} belongs to another user or is no folder; expected one of your own for '
            'copies of recordings: remove it, or set TMPDIR to another folder.'
        )
    return folder


def _copy(source: Source, target: Path) -> None:
    files = _remote_files(source)
    file_system, path = _file_system(source.location)
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    try:
        is_folder = file_system.isdir(path)
        if is_folder:
            target.mkdir()
        for name in files:
            place = target / name.rpartition('/')[2] if is_folder else target
            file_system.get_file(name, str(place))
    except FileNotFoundError as error:
        raise BagError(
            f'The recording {source.location} has vanished; expected a bag: check the URL.'
        ) from error
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        raise _unreachable(source.location, error) from error


def drop_copy(source: Source, version: str, cache: Path | None = None) -> None:
    """Remove the copy of a remote recording from this machine."""
    if source.is_remote:
        shutil.rmtree((cache or default_cache()) / version, ignore_errors=True)
