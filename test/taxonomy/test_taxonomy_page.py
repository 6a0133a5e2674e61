# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The commands and files on docs/taxonomy.md work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hiseg_ros.cli.__main__ import main
from hiseg_ros.taxonomy import load_mapping, load_taxonomy

PAGE = (Path(__file__).parents[2] / 'docs' / 'taxonomy.md').read_text(encoding='utf-8')


def blocks(kind: str) -> list[str]:
    """Return the page's fenced blocks of a kind."""
    return re.findall(rf'^```{kind}\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize('line', blocks('')[0].splitlines())
def test_every_command_works(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == 'hiseg'
    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_the_tree_and_the_mapping_load(tmp_path: Path) -> None:
    tree, mapping = blocks('yaml')
    (tmp_path / 'yard.yaml').write_text(tree)
    (tmp_path / 'yard_camera.yaml').write_text(mapping)
    yard = load_taxonomy(tmp_path / 'yard.yaml')
    labels = load_mapping(tmp_path / 'yard_camera.yaml', yard).labels
    assert [yard.nodes[leaf].name for label in labels for leaf in label.leaves] == [
        'Ground', 'Other',
    ]  # fmt: skip


def test_the_python_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks('python')
    exec(code, {})
    assert capsys.readouterr().out.endswith("'Traffic Sign', 'Traffic Sign (Front)'] 44\n")


def test_the_levels_have_as_many_nodes_as_the_page_says() -> None:
    street = load_taxonomy('street')
    rows = re.findall(r'^\| (\d) \| (\d+) \|', PAGE, re.MULTILINE)
    assert rows == [(str(n), str(len(street.level_nodes(n)))) for n in range(1, 6)]
