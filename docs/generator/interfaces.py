# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The reference of messages and services, from msg/*.msg and srv/*.srv with their comments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from generator.markdown import code, plain, table

_ENTRY = re.compile(
    r'(?P<type>\S+)\s+(?P<name>\w+)(?:=(?P<value>[^#]*?))?\s*(?:#\s*(?P<note>.*))?'
)


@dataclass
class Entry:
    """A field or constant."""

    type: str
    name: str
    value: str | None
    note: str


@dataclass
class Group:
    """Fields that follow each other, with the comment above them."""

    comment: str = ''
    entries: list[Entry] = field(default_factory=list)


def parse(text: str) -> list[Group]:
    """Return the groups of a message; a comment at the start of a line opens a new one.

    Raises:
        ValueError: A line is neither a comment nor a field or constant.
    """
    groups = [Group()]
    for line in text.splitlines():
        if line.startswith('#'):
            if groups[-1].entries or not groups[-1].comment:
                groups.append(Group(line.lstrip('# ')))
            else:
                groups[-1].comment += f' {line.lstrip("# ")}'
        elif line.strip().startswith('#'):
            groups[-1].entries[-1].note += f' {line.strip("# ")}'
        elif line.strip():
            match = _ENTRY.fullmatch(line)
            if match is None:
                raise ValueError(f'{line!r} is not a line of a ROS message')
            groups[-1].entries.append(
                Entry(match['type'], match['name'], match['value'], match['note'] or '')
            )
        elif groups[-1].comment and not groups[-1].entries:
            groups.append(Group())  # the comment above was on the whole message
    return [group for group in groups if group.comment or group.entries]


def interfaces_page(root: Path) -> str:
    """Return a section for each message and service of the package."""
    sections = []
    for path in sorted((root / 'msg').glob('*.msg')):
        groups = parse(path.read_text(encoding='utf-8'))
        sections += [f'## {path.stem}', code(f'hiseg_ros/msg/{path.stem}'), _section(groups)]
    for path in sorted((root / 'srv').glob('*.srv')):
        request, response = path.read_text(encoding='utf-8').split('---\n')
        sections += [f'## {path.stem}', code(f'hiseg_ros/srv/{path.stem}')]
        sections += ['Request:', _section(parse(request)), 'Response:', _section(parse(response))]
    return '\n\n'.join(sections) + '\n'


def _section(groups: list[Group]) -> str:
    parts = []
    for group in groups:
        constants = [entry for entry in group.entries if entry.value is not None]
        fields = [entry for entry in group.entries if entry.value is None]
        parts += [
            plain(group.comment),
            table(
                ('constant', 'value', 'meaning'),
                ((code(e.name), code(str(e.value)), plain(e.note)) for e in constants),
            ),
            table(
                ('field', 'type', 'meaning'),
                ((code(e.name), code(e.type), plain(e.note)) for e in fields),
            ),
        ]
    return '\n\n'.join(part for part in parts if part)
