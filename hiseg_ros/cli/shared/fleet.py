# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Options and run of `hiseg replay` over many bags, one by one or on a Ray cluster."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.damages import DAMAGED
from hiseg_ros.cli.shared.numbers import non_negative, positive_integer
from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.fleet.driver import FleetResult
    from hiseg_ros.fleet.output import FleetFolder
    from hiseg_ros.fleet.sources import Source
    from hiseg_ros.replay.order import ReplayOrder

INCOMPLETE = 4
"""Exit code where some recordings have a result and others have none."""

LOCAL = 'local'


def add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --ray and what its workers reserve."""
    parser.add_argument(
        '--ray',
        nargs='?',
        const=LOCAL,
        metavar='ADDRESS',
        help="on the workers of a Ray cluster: HOST:PORT, ray://HOST:PORT or 'auto'; without an "
        "address on this machine's cores (extra 'fleet')",
    )
    parser.add_argument(
        '--workers',
        type=positive_integer,
        default=0,
        metavar='N',
        help='with --ray: number of workers (default: as many as the cluster has room for)',
    )
    parser.add_argument(
        '--worker-cpus',
        type=non_negative,
        default=1.0,
        metavar='X',
        help='with --ray: cores that each worker reserves, and threads that it uses '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--worker-gpus',
        type=non_negative,
        default=0.0,
        metavar='X',
        help='with --ray: GPUs that each worker reserves, such as 0.5 (default: %(default)s)',
    )


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is needed for many bags."""
    parser.add_argument(
        '--each',
        action='store_true',
        help='replay every bag for itself, into a folder of its own below --output, with figures '
        'and a page over all',
    )
    add_ray_arguments(parser)
    parser.add_argument(
        '--robot',
        metavar='REGEX',
        help="with --each or --ray: the first group that fits a bag's path is the name of its "
        'robot (default: the name of the folder that holds the bag)',
    )
    parser.add_argument(
        '--task-frames',
        type=positive_integer,
        default=0,
        metavar='N',
        help='with --ray: fewest frames of one task (default: 100)',
    )


def replay_fleet(options: argparse.Namespace, order: ReplayOrder) -> int:
    """Replay many bags each for itself; return 0, 3 with damage, 4 where a bag has no result.

    Raises:
        HisegError: Nothing can be done.
    """
    from hiseg_ros.fleet.output import FleetFolder
    from hiseg_ros.fleet.sources import find_sources

    output = Path(options.output).absolute()
    sources = find_sources(options.bags, output)
    robots = _robots(options.robot, sources)
    folder = FleetFolder(output, restart=options.restart)
    started = time.perf_counter()
    run = _on_ray if options.ray else _one_by_one
    try:
        result, facts, about = run(options, order, sources, robots, folder)
        seconds = time.perf_counter() - started
        timing = {
            'seconds': round(seconds, 3),
            'frames': result.frames,
            'rate_hz': round(result.frames / seconds, 3),
            'steps_done_again': result.tries,
            **about.pop('timing'),
        }
        metrics = folder.finish(facts, result.folders, result.failed, timing=timing, **about)
    finally:
        folder.close()
    return _tell(metrics, output)


def _robots(pattern: str | None, sources: Sequence[Source]) -> list[str]:
    if pattern is None:
        return [source.robot for source in sources]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f'--robot is {pattern!r} ({error}); expected a regular expression with a group.'
        ) from error
    if not compiled.groups:
        raise ConfigError(
            f'--robot is {pattern!r}; expected a regular expression with a group, such as '
            "'/(robot_[0-9]+)/'."
        )
    found = [compiled.search(source.location) for source in sources]
    return [match.group(1) or '' if match else '' for match in found]


def _bar(total: int | None = None) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit='frame', dynamic_ncols=True, mininterval=0.5, smoothing=0.1)


def _one_by_one(
    options: argparse.Namespace,
    order: ReplayOrder,
    sources: Sequence[Source],
    robots: Sequence[str],
    folder: FleetFolder,
) -> tuple[FleetResult, dict[str, Any], dict[str, Any]]:
    from hiseg_ros.fleet.one_by_one import replay_one_by_one
    from hiseg_ros.replay.order import OpenedOrder

    opened = OpenedOrder(order, order.engine())
    facts = opened.common_facts()
    _check_options(folder, facts, order)
    with _bar() as bar:
        result = replay_one_by_one(opened, sources, robots, folder.path, bar.write, bar.update)
        result.frames = int(bar.n)
    about = {'taxonomy': opened.engine.taxonomy, 'mapping': opened.mapping}
    return result, facts, {**about, 'timing': {'workers': 0}}


def _on_ray(
    options: argparse.Namespace,
    order: ReplayOrder,
    sources: Sequence[Source],
    robots: Sequence[str],
    folder: FleetFolder,
) -> tuple[FleetResult, dict[str, Any], dict[str, Any]]:
    from tqdm import tqdm

    from hiseg_ros.fleet.driver import Driver
    from hiseg_ros.fleet.ray_pool import RayPool, Workers, connect
    from hiseg_ros.fleet.tasks import TASK_FRAMES

    workers = Workers(options.workers, options.worker_cpus, options.worker_gpus)
    if order.device == 'auto':
        # By what is reserved, not by what a machine happens to have: all workers are alike.
        order = replace(order, device='cuda' if options.worker_gpus > 0 else 'cpu')
    ray = connect(options.ray)
    try:
        pool = RayPool(
            ray, order, folder.path, options.task_frames or TASK_FRAMES, workers,
            tqdm.write,
        )  # fmt: skip
        about = pool.about
        _check_options(folder, about['facts'], order)
        print(f'{pool.size} workers, {len(sources)} recordings.', flush=True)
        with _bar(0) as bar:
            driver = Driver(
                sources, robots, folder.path, pool, is_measured=order.bit_depth is None,
                tell=bar.write, on_frames=_shown(bar),
            )  # fmt: skip
            result = driver.run()
    finally:
        ray.shutdown()
    found = {'taxonomy': about['taxonomy'], 'mapping': about['mapping']}
    return result, about['facts'], {**found, 'timing': {'workers': pool.size}}


def _check_options(folder: FleetFolder, facts: Mapping[str, Any], order: ReplayOrder) -> None:
    """Compare everything that an earlier run was asked with what is asked now.

    Raises:
        ConfigError: It differs.
    """
    # The cameras of a recording are facts of its own replay; what was asked of all is compared
    # here. None, as in folders of runs without --topic; order and repetition choose no others.
    folder.check_facts({**facts, 'topics': sorted(set(order.topics)) or None})


def _shown(bar: Any) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bar.total = max(total, done)
        bar.update(done - bar.n)

    return show


def _tell(metrics: dict[str, Any], output: Path) -> int:
    """Print the main figures and return the exit code."""
    whole, failed = metrics['all'], metrics['failed']
    flicker, low = whole['flicker'], whole['low_share']
    parts = [f'{whole["frames"]} frames of {whole["drives"]} recordings']
    parts += [] if whole['miou'] is None else [f'mIoU {whole["miou"]:.4f}']
    parts += [] if flicker is None else [f'label flicker {100 * flicker:.2f} %']
    parts += [] if low is None else [f'low confidence {100 * low:.2f} %']
    print(', '.join(parts))
    print(f'A replay for each in {output / "drives"}; metrics.json and report.html: {output}')
    if failed:
        print(f'{len(failed)} recordings have no result:')
        for row in failed:
            print(f'  {row["reason"]}')
        return INCOMPLETE if whole['drives'] else 2
    return DAMAGED if whole['damages'] else 0
