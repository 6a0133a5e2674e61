# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What Rerun itself reads back from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rerun.chunk

from hiseg_ros.cli.__main__ import main

Rows = list[tuple[int, dict[str, Any]]]
"""(stamp in ns, the components by name)."""


class Saved:
    """A file of Rerun's."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        reader = rerun.chunk.RrdReader(path)
        self.rows: dict[str, Rows] = {}
        self.always: dict[str, dict[str, Any]] = {}
        self.timelines: set[str] = set()
        for chunk in reader.stream():
            self.timelines |= set(chunk.timeline_names)
            self._add(chunk)
        [blueprint] = reader.blueprints()
        self.layout = list(reader.stream(store=blueprint))

    def _add(self, chunk: Any) -> None:
        batch = chunk.to_record_batch()
        names = [name for name in batch.schema.names if ':' in name]
        columns = {name.partition(':')[2]: batch.column(name) for name in names}
        if chunk.is_static:
            values = {name: column[0].as_py() for name, column in columns.items()}
            self.always.setdefault(chunk.entity_path, {}).update(values)
            return
        stamps = np.asarray(batch.column('stamp').cast('int64')).tolist()
        rows = self.rows.setdefault(chunk.entity_path, [])
        for index, stamp in enumerate(stamps):
            values = {name: column[index].as_py() for name, column in columns.items()}
            rows.append((stamp, values))
        rows.sort(key=lambda row: row[0])

    def stamps(self, entity: str) -> list[int]:
        """Return when an entity has data."""
        return [stamp for stamp, _ in self.rows[entity]]

    def scalars(self, entity: str) -> dict[int, float]:
        """Return a curve by stamp."""
        rows = self.rows[entity]
        return {stamp: row['scalars'][0] for stamp, row in rows if row.get('scalars')}

    def layout_values(self, component: str) -> list[Any]:
        """Return all values of a component of the layout, in no order."""
        found = []
        for chunk in self.layout:
            batch = chunk.to_record_batch()
            for name in batch.schema.names:
                if name.partition(':')[2] == component:
                    found += [item for row in batch.column(name).to_pylist() for item in row or ()]
        return found


def view(path: Path, target: Path, *options: str, code: int = 0) -> Saved:
    """Write a file with `hiseg view`; return what is in it."""
    assert main(['view', str(path), '--save', str(target), *options]) == code
    return Saved(target)
