# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The consumers in examples/: C++, built by colcon, and Python print the same for a message."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from random_trees import node_values, random_leaf_probabilities

from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import NodeProbabilities, SubclassMask

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples' / 'consumers'


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def python_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location('read_results', EXAMPLES / 'read_results.py')
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def read_message(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the C++ package against the installed messages; return its program."""
    folder = tmp_path_factory.mktemp('colcon')
    prefixes = os.pathsep.join([os.environ['AMENT_PREFIX_PATH'], sys.prefix])
    command = [
        sys.executable, '-m', 'colcon', '--log-base', 'log', 'build', '--merge-install',
        '--base-paths', str(EXAMPLES / 'cpp'), '--cmake-args', '-Wno-dev',
        f'-DPython3_EXECUTABLE={sys.executable}',
    ]  # fmt: skip
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    environment = {**os.environ, 'CMAKE_PREFIX_PATH': prefixes, 'PATH': path}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'warning' not in result.stderr, result.stderr
    return folder / 'install' / 'lib' / 'hiseg_consumer' / 'read_message'


def random_header() -> Any:
    from std_msgs.msg import Header

    return Header(frame_id='front')


def probability_message(taxonomy: Taxonomy, **options: Any) -> Any:
    from hiseg_ros.ros.messages.builder import messages

    leaves = random_leaf_probabilities(np.random.default_rng(6), taxonomy, (5, 7), peak=5.0)
    given = NodeProbabilities(node_values(taxonomy, leaves), (60, 91))
    nodes = taxonomy.level_nodes(2)
    return messages.probability_map_message(random_header(), given, nodes, taxonomy, **options)


def signs_message(taxonomy: Taxonomy, encoding: str) -> Any:
    from hiseg_ros.ros.messages.builder import messages

    rng = np.random.default_rng(7)
    root = taxonomy.node_id('Traffic Sign (Front)')
    masks = []
    for name, (height, width) in (('o_stop', (5, 7)), ('p_limit_50', (8, 8)), ('d_snow', (1, 1))):
        node_id = taxonomy.node_id(name)
        mask = rng.random((height, width)) < 0.7
        mask[0, 0] = True
        top = ((node_id, 0.875), (root, 0.125))
        roi = (11, 22, height, width)
        masks.append(SubclassMask(node_id, root, 0.875, top, roi, mask, int(mask.sum())))
    return messages.subclass_masks_message(
        random_header(), masks, taxonomy, (60, 90), encoding=encoding
    )


def run(program: Path, kind: str, message: Any, folder: Path, cut: int = 0) -> Any:
    from rclpy.serialization import serialize_message

    content = serialize_message(message)
    path = folder / 'message.cdr'
    path.write_bytes(content[: len(content) - cut])
    return subprocess.run(
        [str(program), kind, str(path)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize('options', [{}, {'encoding': 'float16'}, {'stride': 9}])
def test_both_examples_read_the_same_probabilities(
    read_message: Path,
    python_example: ModuleType,
    taxonomy: Taxonomy,
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    message = probability_message(taxonomy, **options)
    result = run(read_message, 'probabilities', message, tmp_path)
    lines = python_example.probabilities_lines(message, {})
    assert result.stdout.splitlines() == lines, result.stderr
    assert len(lines) == len(taxonomy.level_nodes(2))
    total = sum(float(line.split('mean ')[1].split(',')[0]) for line in lines)
    assert total == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('encoding', ['packbits', 'raw'])
def test_both_examples_read_the_same_signs(
    read_message: Path,
    python_example: ModuleType,
    taxonomy: Taxonomy,
    tmp_path: Path,
    encoding: str,
) -> None:
    message = signs_message(taxonomy, encoding)
    result = run(read_message, 'signs', message, tmp_path)
    lines = python_example.signs_lines(message, {})
    assert result.stdout.splitlines() == lines, result.stderr
    assert [line.split()[-2] for line in lines] == [str(mask.area) for mask in message.masks]
    names = {mask.node_id: taxonomy.nodes[mask.node_id].name for mask in message.masks}
    assert python_example.signs_lines(message, names)[0].startswith('o_stop: vote 0.875, box 5')


def test_the_c_plus_plus_example_refuses_a_message_that_is_not_whole(
    read_message: Path, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    message = probability_message(taxonomy)
    message.width += 1
    for given, cut in ((message, 0), (probability_message(taxonomy), 100)):
        result = run(read_message, 'probabilities', given, tmp_path, cut)
        assert (result.returncode, result.stdout) == (1, '')
        assert result.stderr.startswith('read_message: ')


HOSTILE = ('no cells', 'too few', 'many pixels', 'no such encoding')


def hostile_message(taxonomy: Taxonomy, kind: str, how: str) -> Any:
    """Return a message that lies about its data."""
    if kind == 'probabilities':
        message = part = probability_message(taxonomy)
        sides = message
    else:
        message = signs_message(taxonomy, 'packbits')
        part, sides = message.masks[1], message.masks[1].roi
    if how == 'no cells':
        sides.height = 0
    elif how == 'too few':
        part.data = part.data[:-1]
    elif how == 'many pixels':
        sides.height = sides.width = 60_000
    else:
        part.encoding = 'plaid'
    return message


@pytest.mark.parametrize('how', HOSTILE)
@pytest.mark.parametrize('kind', ['probabilities', 'signs'])
def test_both_examples_refuse_a_message_that_lies(
    read_message: Path,
    python_example: ModuleType,
    taxonomy: Taxonomy,
    tmp_path: Path,
    kind: str,
    how: str,
) -> None:
    from hiseg_ros.errors import ImageError

    message = hostile_message(taxonomy, kind, how)
    with pytest.raises(ImageError):
        getattr(python_example, f'{kind}_lines')(message, {})
    result = run(read_message, kind, message, tmp_path)
    assert result.returncode == 1 and result.stderr.startswith('read_message: ')


def test_the_c_plus_plus_reader_survives_any_bytes(
    read_message: Path, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    """It ends with a sentence or a description, within half a gigabyte."""
    from rclpy.serialization import serialize_message

    rng = np.random.default_rng(8)
    wholes = {
        'probabilities': serialize_message(probability_message(taxonomy)),
        'signs': serialize_message(signs_message(taxonomy, 'packbits')),
    }
    path = tmp_path / 'message.cdr'
    for kind, whole in wholes.items():
        for _ in range(30):
            content = bytearray(whole[: rng.integers(4, len(whole) + 1)])
            for place in rng.integers(4, len(content) + 1, 4):
                content[place : place + 1] = rng.bytes(1)
            path.write_bytes(content)
            result = subprocess.run(
                ['prlimit', '--as=536870912', str(read_message), kind, str(path)],
                capture_output=True,
                timeout=60,
            )
            assert result.returncode in (0, 1), (kind, result.returncode, bytes(content))


@pytest.fixture
def example_output(ros_environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Run the Python example; return the file that its output goes to."""
    output = tmp_path / 'output.txt'
    with output.open('w') as file:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / 'read_results.py')],
            stdout=file, stderr=subprocess.STDOUT, env=ros_environment,
        )  # fmt: skip
        yield output
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:  # rclpy now and then misses a signal while it is busy
            process.kill()
            process.wait()


def test_the_python_example_names_what_the_node_publishes(
    graph: Graph, example_output: Path, taxonomy: Taxonomy
) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import ProbabilityMap

    stop = int(taxonomy.leaf_index_of_node_id[taxonomy.node_id('o_stop')])
    start_node(graph, HeldEngine(leaf=stop).load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    image = image_message(np.zeros((16, 24, 3), np.uint8))

    def both() -> bool:
        said = example_output.read_text()
        return 'Object: mean 1.0000' in said and 'o_stop: vote' in said

    graph.until(both, 'a class and a sign', meanwhile=lambda: images.publish(image))
    assert 'box 16 x 24 at row 0, column 0, 384 pixels' in example_output.read_text()
    liar = graph.peer.create_publisher(ProbabilityMap, '/segmentation/level_1/probabilities', 1)
    lie = hostile_message(taxonomy, 'probabilities', 'many pixels')
    graph.until(
        lambda: 'skipped a message: A probability map of' in example_output.read_text(),
        'a lie of somebody else is skipped',
        meanwhile=lambda: liar.publish(lie),
    )
    example_output.write_text('')  # the example goes on writing where it was
    graph.until(
        lambda: 'o_stop: vote' in example_output.read_text(),
        'it goes on',
        meanwhile=lambda: images.publish(image),
    )
