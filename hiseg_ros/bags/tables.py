# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Check that a bag in SQLite holds plain tables only.

rosbags queries a database as it is, and SQLite runs the views and computed columns in it, however
long they take.
"""

from __future__ import annotations

import re
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
