# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md says what is there: its files, its layers, and a short reading list."""

from __future__ import annotations

from architecture_page import PACKAGE, ROOT, flow, layers, places, reading_list
from test_import_rules import LAYERS

MOST_LINES = 500
"""Exclusive: whole lines of the files on the reading list together."""


def test_the_reading_list_is_read_in_one_sitting() -> None:
    """Camera, frame processor, pipeline, network, decision."""
    files = reading_list()
    assert len(files) == len(set(files)) >= 5
    lines = sum(len((PACKAGE / file).read_text().splitlines()) for file in files)
    assert lines < MOST_LINES


def test_every_file_and_folder_on_the_page_is_there() -> None:
    named = {*places(), *flow(), *reading_list()}
    assert len(named) > 20
    missing = [
        name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()
    ]
    assert missing == []


def test_the_flow_shows_the_reading_list_in_its_order() -> None:
    files, picture = reading_list(), flow()
    assert [place for place in picture if place in files] == files


def test_the_table_of_layers_is_the_rule_that_is_enforced() -> None:
    rules = [[set(group.split()) for group in layer.split(' | ')] for layer in LAYERS]
    assert layers() == rules
