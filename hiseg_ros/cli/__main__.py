# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The `hiseg` command: finds the verb and turns errors into one line and exit code 2."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from hiseg_ros import __version__
from hiseg_ros.errors import HisegError

VERBS = {
    'predict': 'segment images and write label images and overlays',
    'taxonomy': 'show or check a label tree',
    'synthesize': "write drawn scenes in a published dataset's folders",
    'train': 'train a network from an experiment file',
    'evaluate': 'measure weights on a dataset',
    'experiment': 'compare ways to learn: train and measure several networks',
    'export': 'write weights as an ONNX file or a torch program',
    'quantize': 'write an exported network in int8, and measure what that costs',
    'wrap': "make an engine file of another project's flat network",
    'benchmark': 'measure how fast backends are here, and how near to the reference',
    'soak': 'run the node for long with three cameras and faults, and balance its counters',
    'demo': 'replay a drive through the node and record what it publishes',
    'play': 'replay a bag as a live camera topic',
    'replay': 'segment recordings into a new bag with figures',
    'video': 'write the labels of a recording as an MP4 with names and a legend',
    'report': 'write the page of a finished replay again',
    'view': 'show a recording with its results in Rerun',
}

EXTRAS = {
    'torch': ('torch', 'torchvision', 'timm', 'torchmetrics', 'onnx', 'nncf'),
    'train': ('lightning', 'matplotlib', 'tensorboard'),
}
"""Modules that come with the extras of the pip package (setup.cfg)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code, mostly 0, or 2 with one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file may have a name that is no text in the terminal's encoding.
            stream.reconfigure(errors='backslashreplace')
    parser = argparse.ArgumentParser('hiseg', description='Hierarchical segmentation of streets.')
    parser.add_argument('--version', action='version', version=f'hiseg {__version__}')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    chosen = next((word for word in given if word in VERBS), None)
    for verb, text in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=text, description=text.capitalize() + '.')
        if verb == chosen:
            # Only the chosen verb's room is imported: `hiseg taxonomy` costs no torch.
            importlib.import_module(f'hiseg_ros.cli.{verb}').add_arguments(verb_parser)
    options = parser.parse_args(given)
    try:
        code = importlib.import_module(f'hiseg_ros.cli.{options.verb}').run(options)
        sys.stdout.flush()
    except HisegError as problem:
        print(f'hiseg {options.verb}: {problem}', file=sys.stderr)
        return 2
    except ModuleNotFoundError as problem:
        sentence = missing_extra(problem.name or '', options.verb)
        if not sentence:
            raise
        print(sentence, file=sys.stderr)
        return 2
    except MemoryError as problem:
        print(
            f'hiseg {options.verb}: the memory does not suffice ({problem}); expected smaller '
            'sizes, or a larger machine.',
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:
        # The reader has had enough, as with `| head`; what is left cannot be written anywhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        # A path that cannot be: too long a name, a folder for a file, no right, a full disk.
        print(
            f'hiseg {options.verb}: {problem}; expected a path that can be used: check names, '
            'rights and room on the disk.',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt as problem:
        print(f'hiseg {options.verb}: {str(problem) or "interrupted"}', file=sys.stderr)
        return 130
    return code or 0


def missing_extra(module: str, verb: str) -> str:
    """Return what to do about a module that is not installed, or '' where no extra has it."""
    for extra, modules in EXTRAS.items():
        if module.partition('.')[0] in modules:
            return (
                f'hiseg {verb}: Python has no module {module}, which this needs; expected the '
                f'extra packages {extra!r}: pip install "hiseg_ros[{extra}]", or `make setup` in '
                'a checkout.'
            )
    return ''


if __name__ == '__main__':
    sys.exit(main())
