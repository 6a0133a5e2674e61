# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""No argument of any verb ends in a traceback: exit code 2 and one sentence."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import hostile
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hiseg_ros.cli.__main__ import VERBS, main

LONG = 'x' * 300
PATHS = [
    '', LONG, 'absent/a', 'empty', 'folder', 'bag', 'junk.png', 'junk.onnx', 'junk.safetensors',
    'junk.mcap', 'junk.db3', 'junk.yaml', '\udcff', 'a\nb', '/dev/null',
]  # fmt: skip
NUMBERS = ['-1', 'nan', '1e400', '9' * 30, '9' * 5000, '0x0', '99999999x99999999', '=', ':', '%s']

if hostile.TIMES <= 1:
    PATHS, NUMBERS = ['', LONG, 'folder', 'bag', 'junk.yaml', '\udcff'], ['-1', '9' * 5000]

LIGHT = ('taxonomy', 'report', 'video', 'view', 'replay')
"""Verbs that refuse at once. With HISEG_FUZZ above 1 others are tried, too, but for those that
then run programs of minutes."""

TRIED = {
    verb: PATHS + NUMBERS if verb == 'taxonomy' else PATHS
    for verb in VERBS
    if verb in LIGHT
    or (hostile.TIMES > 1 and verb in ('predict', 'train', 'experiment', 'evaluate', 'wrap'))
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of files that are not what their names say, and go there."""
    (tmp_path / 'empty').write_bytes(b'')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').write_text('x: [')
    for name, content in {
        'png': b'\x89PNG\r\n\x1a\n', 'onnx': b'\x08\x08\x12', 'safetensors': b'\xff' * 8,
        'mcap': b'\x89MCAP0\r\n', 'db3': b'SQLite format 3\0', 'yaml': b'a: [',
    }.items():  # fmt: skip
        (tmp_path / f'junk.{name}').write_bytes(content + bytes(range(200)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inputs_of(verb: str) -> Iterator[list[str]]:
    """Yield the options of a verb that name an input, each with the others it needs."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f'hiseg_ros.cli.{verb}').add_arguments(parser)
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    parsers = {(name,): p for name, p in below[0].choices.items()} if below else {(): parser}
    for words, one in parsers.items():
        actions = [a for a in one._actions if not isinstance(a, argparse._HelpAction)]
        needed = [a for a in actions if a.required]
        for action in actions:
            if action.nargs == 0 or (action.dest == 'output' and action not in needed):
                continue
            others: list[str] = []
            for other in needed:
                if other is not action:
                    value = 'written.png' if other.dest == 'output' else 'empty'
                    value = list(other.choices)[0] if other.choices else value
                    others += [*other.option_strings[-1:], value]
            yield [*words, *others, *action.option_strings[-1:]]


@pytest.mark.parametrize('verb', TRIED)
def test_a_bad_value_of_any_option_ends_in_a_sentence(
    verb: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that are too long or no text, files of another kind, numbers of any size."""
    for words in inputs_of(verb):
        for value in TRIED[verb]:
            try:
                code = main([verb, *words, value])
            except SystemExit as problem:
                code = int(problem.code or 0)
            assert code in (0, 2), [verb, *words, value]
            said = capsys.readouterr().err
            assert code == 0 or 'hiseg' in said
            assert 'Traceback' not in said


@hostile.fuzzed(40)
@given(words=st.lists(
    st.sampled_from([*LIGHT, '--model', '--output', '--level', '--', '-', '--help=', '--json'])
    | st.text(st.characters(exclude_characters='\0'), max_size=6),
    max_size=4,
))  # fmt: skip
def test_any_words_are_understood_or_refused(words: list[str]) -> None:
    """Of the verbs that refuse at once."""
    # Hypothesis also draws strings that it finds in the project's source: without arguments
    # `soak` runs for half an hour.
    assume(not any(word in VERBS and word not in LIGHT for word in words))
    here = os.getcwd()
    try:
        assert main(words) in (0, 2)
    except SystemExit as problem:
        assert problem.code in (0, 2)
    finally:
        os.chdir(here)


@pytest.mark.parametrize('problem', [OSError(28, 'No space left'), MemoryError('12 GiB')])
def test_a_full_disk_or_memory_ends_in_a_sentence(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever in a verb it is met."""
    import hiseg_ros.cli.taxonomy

    def fail(options: object) -> None:
        raise problem

    monkeypatch.setattr(hiseg_ros.cli.taxonomy, 'run', fail)
    assert main(['taxonomy', 'show']) == 2
    said = capsys.readouterr().err
    assert said.startswith('hiseg taxonomy: ') and 'expected' in said and said.count('\n') == 1
