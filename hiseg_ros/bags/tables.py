# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Check that a bag in SQLite holds plain tables only.

rosbags queries a database as it is, and SQLite runs the views and computed columns in it, however
long they take.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from urllib.parse import quote

from hiseg_ros.errors import BagError

_COMPUTES = re.compile(r'\b(virtual|generated|as|view|trigger)\b', re.IGNORECASE)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database for reading, with functions in its schema disabled.

    Raises:
        sqlite3.Error: The database cannot be opened.
    """
    base = sqlite3.connect(f'file:{quote(str(path))}?mode=ro&immutable=1', uri=True)
    base.execute('PRAGMA trusted_schema=OFF')
    return base


def unfinished_log(path: Path) -> Path | None:
    """Return the log beside a database that a killed recorder left unmerged, None without one."""
    for end in ('-wal', '-journal'):
        log = path.with_name(path.name + end)
        if log.is_file() and log.stat().st_size:
            return log
    return None


def merged(path: Path, log: Path, folder: Path) -> Path:
    """Return a copy of a database with its log merged into it.

    Args:
        path: The database.
        log: Its log, see `unfinished_log`.
        folder: An empty folder for the copy.

    Raises:
        BagError: The log is damaged, or the database holds more than tables.
        OSError: The copy cannot be written.
    """
    copy = folder / path.name
    shutil.copyfile(path, copy)
    shutil.copyfile(log, folder / log.name)
    try:
        base = sqlite3.connect(copy)
        try:
            base.execute('PRAGMA trusted_schema=OFF')
            base.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            base.execute('PRAGMA journal_mode=DELETE')
        finally:
            base.close()
    except sqlite3.Error as error:
        raise BagError(
            f'The log {log} cannot be merged into its bag ({error}); expected that of a killed '
            'recorder: move it away to read the bag without it.'
        ) from error
    check_tables(copy)
    return copy


def check_tables(path: Path) -> None:
    """Refuse a database with anything but plain tables, since it may compute for ever.

    A file that is no database passes: the reader of bags has the better error message.

    Raises:
        BagError: It has views, triggers, virtual tables or computed columns.
    """
    try:
        base = connect(path)
        try:
            rows = base.execute('SELECT type, name, sql FROM sqlite_master').fetchall()
        finally:
            base.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return
    for kind, name, sql in rows:
        if kind not in ('table', 'index') or _COMPUTES.search(str(sql or '')):
            raise BagError(
                f'The bag {path} has the {kind} {name!r} that computes; expected plain tables, as '
                'rosbag2 writes them: do not use a bag from such a source.'
            )
