# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The reference of the `hiseg` command, from the help of its verbs."""

from __future__ import annotations

import argparse
import functools
import importlib

from generator.markdown import plain


def commands_page() -> str:
    """Return a section with the help of each verb."""
    from hiseg_ros.cli.__main__ import VERBS

    sections = []
    for verb, text in VERBS.items():
        parser = argparse.ArgumentParser(f'hiseg {verb}', formatter_class=_formatter())
        importlib.import_module(f'hiseg_ros.cli.{verb}').add_arguments(parser)
        sections.append(f'### hiseg {verb}\n\n{plain(text[:1].upper() + text[1:])}.')
        sections += [_block(parser.format_help()), *_sub_verbs(parser)]
    return '\n\n'.join(sections) + '\n'


def _formatter() -> functools.partial[argparse.HelpFormatter]:
    """Return a formatter of one width on all terminals."""
    return functools.partial(argparse.HelpFormatter, width=96, max_help_position=28)


def _block(text: str) -> str:
    return f'```text\n{text.rstrip()}\n```'


def _sub_verbs(parser: argparse.ArgumentParser) -> list[str]:
    """Return the help of the verbs below a verb, such as `hiseg taxonomy show`."""
    blocks = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub_parser in action.choices.values():
                sub_parser.formatter_class = parser.formatter_class
                blocks.append(f'#### {sub_parser.prog}\n\n{_block(sub_parser.format_help())}')
    return blocks
