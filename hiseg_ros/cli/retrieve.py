# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg retrieve`: find images of recordings and folders that look like a query."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hiseg_ros.cli.shared.numbers import non_negative, positive_integer
from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import cache_folder, default_model

SHOWN = 3
"""Found images of each query that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--query',
        type=Path,
        required=True,
        metavar='IMAGE|BAG|FOLDER',
        help='what to search for: an image, or some images of a bag or folder',
    )
    parser.add_argument(
        '--in',
        dest='sources',
        nargs='+',
        type=Path,
        required=True,
        metavar='BAG|FOLDER',
        help='bags and folders of images that are searched',
    )
    parser.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help='also write retrieval.html with the pictures, and retrieval.json',
    )
    parser.add_argument(
        '--count',
        type=positive_integer,
        default=10,
        metavar='N',
        help='images to find for each query (default: %(default)s)',
    )
    parser.add_argument(
        '--queries',
        type=positive_integer,
        default=4,
        metavar='N',
        help='images of a bag or folder that are searched for, evenly spread (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--every',
        type=positive_integer,
        default=1,
        metavar='N',
        help='search every Nth image only (default: %(default)s)',
    )
    parser.add_argument(
        '--apart',
        type=non_negative,
        default=2.0,
        metavar='S',
        help='least seconds between two images that are found in one bag (default: %(default)s)',
    )
    parser.add_argument('--topic', help='camera topic of the bags (default: the best camera)')
    parser.add_argument(
        '--model',
        nargs='+',
        type=Path,
        metavar='FILE',
        help='weights; several are shown one below the other, such as those before and after an '
        'adaptation (default: the shipped weights)',
    )
    parser.add_argument(
        '--features',
        choices=['backbone', 'classes'],
        default='backbone',
        help="'backbone': what things look like (default); 'classes': which classes there are, "
        'and how much of each',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='where features are kept (default: ~/.cache/hiseg_ros/retrieval)',
    )


def run(options: argparse.Namespace) -> None:
    """Compute what is missing, search, print, and write page and results."""
    from tqdm import tqdm

    from hiseg_ros.retrieval.page import write_page
    from hiseg_ros.retrieval.retrieve import Request, retrieve
    from hiseg_ros.retrieval.sources import open_source

    sources = [open_source(path, options.topic) for path in options.sources]
    request = Request(
        open_source(options.query, options.topic),
        sources,
        options.count,
        options.queries,
        options.every,
        options.apart,
    )
    for source in (request.query, *sources):
        if source.note:
            print(source.note)
    if options.output:
        _make(options.output)  # before the first image rather than after the last
    from hiseg_ros.retrieval.features import FeatureNetwork, Kind

    results = []
    for model in options.model or [default_model()]:
        network = FeatureNetwork(model, Kind(options.features), options.device)
        total = request.query.count + sum(-(-one.count // options.every) for one in sources)
        with tqdm(total=total, unit='image', desc='looking at images', dynamic_ncols=True) as bar:
            result = retrieve(
                request,
                network,
                model.name,
                options.cache or cache_folder() / 'retrieval',
                bar.update,
            )
        results.append(result)
        print(f'{model.name}: {result.images} images')
        for found in result.found:
            print(f'  {found.name}')
            for match in found.matches[:SHOWN]:
                where = sources[match.source].path
                print(f'    {match.similarity:.2f}  {where}  {match.name}')
        if result.distance:
            distance = result.distance
            print(
                f'  mixing@{distance.neighbours} {distance.mixing:.2f}, proxy A-distance '
                f'{distance.a_distance:.2f} between query and the others'
            )
        if result.damaged:
            print(f'  {result.damaged} images cannot be decoded and are left out')
    for damage in dict.fromkeys(d for source in (request.query, *sources) for d in source.damages):
        print(f'Damage in {damage}')
    if options.output:
        content = [result.as_json(request) for result in results]
        (options.output / 'retrieval.json').write_text(json.dumps(content, indent=2) + '\n')
        print(write_page(options.output, request, results))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f'{folder} cannot be made ({problem}); expected a folder with the right to write.'
        ) from problem
