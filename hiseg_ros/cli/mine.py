# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg mine`: choose the frames worth labelling, and read corrected labels back."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.numbers import non_negative, positive_integer
from hiseg_ros.datasets.registry import DATASETS
from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import cache_folder, default_model

if TYPE_CHECKING:
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.mining.mine import Request, Result, WrittenFrame
    from hiseg_ros.mining.pool import Pool

MAPPING = 'cityscapes'
"""Labels of pools that have none of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    pool = parser.add_argument_group('what is searched')
    pool.add_argument(
        'sources',
        nargs='*',
        type=Path,
        metavar='REPLAY|BAG|FOLDER',
        help='output folders of `hiseg replay`, bags, and folders of images',
    )
    pool.add_argument(
        '--dataset', choices=sorted(DATASETS), help='search a dataset as well; needs --root'
    )
    pool.add_argument('--root', type=Path, metavar='DIR', help='folder of the dataset')
    pool.add_argument(
        '--split', default='train', help='split of the dataset (default: %(default)s)'
    )
    pool.add_argument(
        '--drive',
        action='append',
        default=[],
        help='only this drive of the dataset; may be repeated',
    )
    pool.add_argument(
        '--without-drive',
        action='append',
        default=[],
        metavar='DRIVE',
        help='leave this drive of the dataset out; may be repeated',
    )
    pool.add_argument(
        '--topic', help='camera topic of bags and replays (default: the best camera)'
    )
    pool.add_argument(
        '--every',
        type=positive_integer,
        default=1,
        metavar='N',
        help='look at every Nth frame only (default: %(default)s)',
    )
    choice = parser.add_argument_group('what is chosen')
    choice.add_argument(
        '--count',
        type=positive_integer,
        default=200,
        metavar='N',
        help='frames to choose (default: %(default)s)',
    )
    choice.add_argument(
        '--apart',
        type=non_negative,
        default=2.0,
        metavar='S',
        help='least seconds between two frames of a recording, as far as there are enough '
        '(default: %(default)s)',
    )
    choice.add_argument(
        '--weight',
        action='append',
        default=[],
        metavar='NAME=W',
        help='how much counts: uncertainty, flicker, rare, or the power of diversity; may be '
        'repeated (default: 1 for each)',
    )
    network = parser.add_argument_group('the network')
    network.add_argument('--model', type=Path, help='model file (default: the shipped network)')
    network.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    network.add_argument('--backend', default='auto', help="as the node's parameter")
    network.add_argument(
        '--features',
        choices=['backbone', 'classes'],
        default='backbone',
        help='what frames are compared by, as in `hiseg retrieve` (default: %(default)s)',
    )
    network.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='where scores and features are kept (default: ~/.cache/hiseg_ros/mining)',
    )
    result = parser.add_argument_group('what is written')
    result.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help='folder for images, labels, projects and page; with --import: for the dataset '
        '(default there: dataset/ in the folder of the mining)',
    )
    result.add_argument(
        '--mapping',
        help=f"labels to draw: 'camvid', ... or a YAML file (default: those of --dataset, else "
        f'{MAPPING})',
    )
    result.add_argument(
        '--image-url',
        metavar='PREFIX',
        help="what stands in front of an image's file name for Label Studio (default: a local "
        'file below the folder that holds DIR)',
    )
    result.add_argument(
        '--import',
        dest='mined',
        type=Path,
        metavar='DIR',
        help='read corrected labels of this output folder back as a dataset',
    )
    result.add_argument(
        '--corrected',
        type=Path,
        metavar='FILE|DIR',
        help='with --import: exports of CVAT (.xml, .zip) or Label Studio (.json) (default: those '
        'in corrected/ in the folder of the mining)',
    )


def run(options: argparse.Namespace) -> None:
    """Choose frames and write them, or read corrected labels back."""
    if options.mined is not None:
        _import(options)
        return
    if options.corrected is not None:
        raise ConfigError('--corrected is given without --import; expected both.')
    if options.output is None:
        raise ConfigError('--output is missing; expected a folder for the frames that are chosen.')
    if not options.sources and not options.dataset:
        raise ConfigError(
            'There is nothing to search; expected replays, bags or folders of images, or '
            '--dataset with --root.'
        )
    if bool(options.dataset) != bool(options.root):
        raise ConfigError(
            'One of --dataset and --root is given without the other; expected both: the kind of '
            'dataset, and its folder.'
        )
    _mine(options)


def _import(options: argparse.Namespace) -> None:
    from hiseg_ros.mining.corrected import DATASET, Mined, find_exports, import_corrected
    from hiseg_ros.mining.labels import MAPPING_FILE

    if options.sources or options.dataset:
        raise ConfigError(
            '--import is given with something to search; expected only the output folder of an '
            'earlier mining.'
        )
    mined = Mined.read(options.mined)
    exports = find_exports(options.mined, options.corrected)
    done = import_corrected(mined, exports, options.output or options.mined / DATASET)
    if done.images < done.mined:
        print(
            f'{done.mined - done.images} of {done.mined} mined images have no labels in the '
            'exports and are left out.'
        )
    print(f'{done.images} images with labels: {done.folder}')
    print(
        f'Measure on it: hiseg evaluate --dataset folder --root {done.folder} --mapping '
        f'{done.folder / MAPPING_FILE}'
    )


def weights_of(texts: list[str]) -> dict[str, float]:
    """Return the weights by name.

    Raises:
        ConfigError: A text is no name and number of at least 0.
    """
    from hiseg_ros.mining.selection import REASONS

    weights: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition('=')
        try:
            weights[name] = non_negative(value)
        except argparse.ArgumentTypeError:
            weights[name] = -1.0
        if name not in (*REASONS, 'diversity') or weights[name] < 0:
            raise ConfigError(
                f'--weight is {text!r}; expected one of {", ".join(REASONS)}, diversity, = and a '
                'number of at least 0, such as rare=2.'
            )
    return weights


def _mine(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.mining.labels import label_set, write_mapping
    from hiseg_ros.mining.mine import Request, mine, write_picks
    from hiseg_ros.mining.page import PageWriter
    from hiseg_ros.mining.project import ProjectFolder, check_folder
    from hiseg_ros.mining.selection import Weights
    from hiseg_ros.retrieval.features import FeatureNetwork, Kind
    from hiseg_ros.taxonomy import load_mapping

    weights = Weights(**weights_of(options.weight))
    check_folder(options.output)  # before the first frame rather than after the last
    engine = Engine(options.model, device=options.device, backend=options.backend)
    mapping_name = _mapping_name(options)
    mapping = load_mapping(mapping_name, engine.taxonomy)
    labels = label_set(mapping, engine.taxonomy)
    pools = _pools(options, engine)
    request = Request(
        pools, options.count, engine.taxonomy, mapping, labels,
        f'{engine.taxonomy.digest} {mapping!r}', weights, options.every, options.apart,
    )  # fmt: skip
    network = FeatureNetwork(_weights_file(options), Kind(options.features), options.device)
    total = 2 * sum(-(-pool.source.count // options.every) for pool in pools)
    with tqdm(total=total, unit='step', desc='looking at frames', dynamic_ncols=True) as bar:
        result = mine(request, network, options.cache or cache_folder() / 'mining', bar.update)
    page = PageWriter(request)
    model = engine.model_path.name
    with (
        ProjectFolder(options.output, labels, len(result.picks), model, options.image_url) as out,
        tqdm(total=len(result.picks), unit='image', desc='writing', dynamic_ncols=True) as bar,
    ):
        write_mapping(mapping_name, options.output)

        def show(frame: WrittenFrame) -> None:
            page.add(frame)
            bar.update()

        write_picks(request, result, out, show)
    content = result.as_json(request, model)
    (options.output / 'mining.json').write_text(json.dumps(content, indent=2) + '\n', 'utf-8')
    _tell(options, request, result)
    print(page.write(result, options.output, model))


def _tell(options: argparse.Namespace, request: Request, result: Result) -> None:
    """Print what was chosen."""
    print(f'{len(result.picks)} of {len(result.candidates)} frames:')
    for drive, frames, picked in result.drives():
        print(f'  {drive}: {picked} of {frames}')
    close = sum(pick.is_close_in_time for pick in result.picks)
    if close:
        print(
            f'{close} frames are nearer than {options.apart:g} s to another, for want of others.'
        )
    damages = [damage for pool in request.pools for damage in pool.source.damages]
    for damage in dict.fromkeys(damages):
        print(f'Damage in {damage}')
    print(
        f'Images and labels of {request.mapping.name}, and projects for CVAT and Label Studio: '
        f'{options.output}'
    )


def _mapping_name(options: argparse.Namespace) -> str:
    if options.mapping:
        return str(options.mapping)
    own = DATASETS[options.dataset].mapping if options.dataset else ''
    return own or MAPPING


def _weights_file(options: argparse.Namespace) -> Path:
    """Return the weights that features come from: an exported network's cannot be read."""
    model = options.model
    return model if model and model.suffix == '.safetensors' else default_model()


def _pools(options: argparse.Namespace, engine: Engine) -> list[Pool]:
    from hiseg_ros.mining.pool import EnginePool, open_pool
    from hiseg_ros.replay.fingerprint import file_digest

    identity = f'{file_digest(engine.model_path)} {engine.backend} {engine.precision}'
    pools = [open_pool(path, engine, identity, options.topic) for path in options.sources]
    for pool in pools:
        if note := getattr(pool.source, 'note', ''):
            print(note)
    if options.dataset:
        pools.append(EnginePool(_dataset(options), engine, identity))
    return pools


def _dataset(options: argparse.Namespace) -> Any:
    """Return the images of the dataset that the options name."""
    from hiseg_ros.cli.shared.labelled_sets import loader_options
    from hiseg_ros.datasets import open_dataset
    from hiseg_ros.mining.pool import DatasetSource

    options.limit = 0
    given = loader_options(options)
    drives = DATASETS[options.dataset].drives
    if options.without_drive:
        if drives is None:
            raise ConfigError(
                f'--without-drive is given for {options.dataset}, which has no drives; expected '
                'it for a dataset whose files name them, such as camvid.'
            )
        given[drives.leave_out] = options.without_drive
    dataset = open_dataset(options.dataset, options.root, given)
    return DatasetSource(dataset, options.root, options.dataset, repr(sorted(given.items())))
