# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The `hiseg` command: runs one verb and turns errors into one line and exit code 2."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from hiseg_ros import __version__
from hiseg_ros.ending import end_in_time
from hiseg_ros.errors import HisegError, reason_of
from hiseg_ros.plain_text import PlainStream

VERBS = {
    'predict': 'segment images and write label images and overlays',
    'taxonomy': 'show or check a label tree',
    'synthesize': 'write drawn scenes in the folder layout of a published dataset',
    'train': 'train a network or a classical method from an experiment file',
    'adapt': 'adapt weights to recordings without labels',
    'evaluate': 'measure weights on a dataset',
    'experiment': 'train and evaluate several variants of a network and compare them',
    'export': 'write weights as an ONNX file or a torch program',
    'quantize': 'write an exported network in int8, and measure the loss of accuracy',
    'wrap': 'convert a flat network of another project into an engine file',
    'benchmark': 'measure latency, memory and agreement with the reference, by backend and size',
    'soak': 'soak test of the node: three cameras, injected faults, every frame accounted for',
    'demo': 'replay a drive through the node and record what it publishes',
    'play': 'replay a bag as a live camera topic',
    'replay': 'segment recordings into a new bag, with metrics and a report',
    'video': 'write the labels of a recording, or several networks side by side, as an MP4',
    'report': 'write the report of a finished replay again',
    'retrieve': 'find images of recordings and folders that look like a query',
    'mine': 'choose the frames worth labelling, and read corrected labels back',
    'view': 'show a recording with its results in Rerun',
}

EXTRAS = {
    'torch': ('torch', 'torchvision', 'timm', 'torchmetrics', 'onnx', 'nncf'),
    'train': ('lightning', 'matplotlib', 'tensorboard'),
    'classical': ('skimage', 'sklearn'),
    'fleet': ('fsspec', 'ray'),
}
"""Modules that come with the extras of the pip package (setup.cfg)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code, mostly 0, or 2 with one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # as a program
        end_in_time()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The terminal's encoding may not have every character of a file name.
            stream.reconfigure(errors='backslashreplace')
    if arguments is None:
        sys.stdout, sys.stderr = PlainStream(sys.stdout), PlainStream(sys.stderr)
        return _run(given)
    with redirect_stdout(PlainStream(sys.stdout)), redirect_stderr(PlainStream(sys.stderr)):
        return _run(given)


def _run(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser('hiseg', description='Hierarchical segmentation of streets.')
    parser.add_argument('--version', action='version', version=f'hiseg {__version__}')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    chosen = next((word for word in given if word in VERBS), None)
    for verb, text in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=text, description=text.capitalize() + '.')
        if verb == chosen:
            # Only the chosen verb is imported: `hiseg taxonomy` does not wait for torch.
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
            f'hiseg {options.verb}: out of memory ({reason_of(problem)}); expected smaller sizes, '
            'or a machine with more memory.',
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:
        # The reader has closed the pipe, as `| head` does; drop what is left to be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        # Such as a name that is too long, a folder in place of a file, no permission, a full disk.
        print(
            f'hiseg {options.verb}: {problem}; expected a usable path: check names, permissions '
            'and free space on the disk.',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt as problem:
        print(f'hiseg {options.verb}: {str(problem) or "interrupted"}', file=sys.stderr)
        return 130
    return code or 0


def missing_extra(module: str, verb: str) -> str:
    """Return a sentence on what to install for a missing module, '' if no extra provides it."""
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
