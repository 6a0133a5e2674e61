# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg taxonomy` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main
from hiseg_ros.cli.taxonomy import shown, swatch
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.visualization import legend

shipped = cache(load_taxonomy)


def test_show_prints_every_node_with_id_colour_and_indent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['taxonomy', 'show']) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    tree = shipped('street')
    assert head.startswith('street 1.0: 132 nodes, 108 leaves, 24 classifiers, depth 5, digest ')
    assert head.endswith(tree.digest)
    assert len(lines) == len(tree)
    for node, line in zip(tree.nodes, lines, strict=True):
        node_id, color, name = line.split(maxsplit=2)
        assert int(node_id) == node.node_id
        assert color == '#' + bytes(node.color).hex()
        assert name == node.name
        assert line.index(node.name, 14) == 15 + 2 * node.level


def test_show_cuts_the_tree_at_a_level_and_counts_what_is_hidden(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['taxonomy', 'show', 'iv2018', '--level', '1']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 1 + 53
    assert any(line.endswith('Driveable (10 leaves)') for line in lines)
    assert any(line.endswith('Traffic Sign (44 leaves)') for line in lines)
    assert any(line.endswith(' Curb') for line in lines)


def test_show_prints_the_list_that_predict_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['taxonomy', 'show', '--json']) == 0
    rows = json.loads(capsys.readouterr().out)
    tree = shipped('street')
    assert rows == [
        {'id': n.node_id, 'name': n.name, 'parent': n.parent, 'color': list(n.color)}
        for n in tree.nodes
    ]
    assert main(['taxonomy', 'show', '--json', '--level', '1']) == 0
    assert len(json.loads(capsys.readouterr().out)) == 7


def test_show_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text(
        "name: mine\nversion: '3'\ntree:\n  name: all\n  color: '#000001'\n  children:\n"
        "    - {name: a, color: '#000002'}\n    - {name: b, color: '#000003'}\n"
    )
    assert main(['taxonomy', 'show', str(path)]) == 0
    assert capsys.readouterr().out.startswith('mine 3: 3 nodes, 2 leaves, 1 classifiers, depth 1')


def test_a_terminal_gets_swatches_and_a_pipe_none() -> None:
    assert swatch((1, 2, 3), 2**24) == '\x1b[48;2;1;2;3m    \x1b[0m'
    assert swatch((255, 0, 128), 256) == '\x1b[48;5;199m    \x1b[0m'
    assert swatch((1, 2, 3), 0) == ''
    assert '\x1b' not in shown(shipped('street'), None, as_json=False, colors=0)
    assert '\x1b' not in shown(shipped('street'), None, as_json=True, colors=256)


def test_check_prints_levels_classifiers_and_subclasses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['taxonomy', 'check', 'iv2018']) == 0
    text = capsys.readouterr().out
    for line in (
        'valid: iv2018 1.0: 112 nodes, 107 leaves, 5 classifiers, depth 3',
        'level 1: 53 nodes',
        'level 3: 107 nodes',
        'classifier Driveable: 10 children',
        'classifier Traffic Sign (Front): 43 children',
        'subclasses of Traffic Sign (Front): 43 leaves',
    ):
        assert line in text


def test_check_takes_mappings_and_says_what_they_cover(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['taxonomy', 'check', 'street', '--mapping', 'camvid', 'gtsdb']) == 0
    *_, camvid, gtsdb = capsys.readouterr().out.splitlines()
    assert camvid == (
        'valid: mapping camvid onto street: 11 labels that are evaluated, 0 that only train, '
        '86 of 108 leaves in a label'
    )
    assert gtsdb.endswith(
        '43 labels that are evaluated, 1 that only train, 43 of 108 leaves in a label'
    )


def test_check_names_labels_that_share_leaves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'shared.yaml'
    path.write_text(
        'name: shared\nlabels:\n  - {id: 0, name: ground, nodes: [Driveable, Walkable]}\n'
        '  - {id: 1, name: road, nodes: [Road]}\n  - {id: 2, name: sky, nodes: [Sky]}\n'
    )
    assert main(['taxonomy', 'check', 'street', '--mapping', str(path)]) == 0
    assert 'labels that share leaves, so that these count for none: ground, road' in (
        capsys.readouterr().out
    )


def test_legend_draws_the_tree(tmp_path: Path) -> None:
    """All of it, or its upper part; in columns where it is longer than the image."""
    tree = shipped('street')
    for options, node_ids in (
        ([], range(len(tree))),
        (['--level', '2'], [node.node_id for node in tree.nodes if node.level <= 2]),
    ):
        path = tmp_path / 'legend.png'
        assert main(['taxonomy', 'legend', '--output', str(path), *options]) == 0
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(image, legend(tree, node_ids, max_height=1080))
    assert main(['taxonomy', 'legend', '--output', str(path), '--height', '400']) == 0
    assert cv2.imread(str(path)).shape[0] <= 400


def test_legend_draws_only_what_is_in_label_images(tmp_path: Path) -> None:
    """With the mean share of each, cut at a level where one is given."""
    tree = shipped('street')
    car, bus, sky = (tree.node_id(name) for name in ('Car', 'Bus', 'Sky'))
    labels = np.full((2, 10, 10), sky, np.uint8)
    labels[0, :5], labels[1, :1], labels[1, 1:2] = car, bus, 255
    paths = [str(tmp_path / f'{index}_labels.png') for index in (0, 1)]
    for path, image in zip(paths, labels, strict=True):
        cv2.imwrite(path, image)
    output = tmp_path / 'legend.png'
    arguments = ['taxonomy', 'legend', '--output', str(output), '--labels', *paths]
    vehicle = tree.ancestor_at_level(car, 2)
    for more, shares in (
        ([], {car: 0.25, bus: 0.05, sky: 0.65}),
        (['--level', '2'], {vehicle: 0.3, sky: 0.65}),
    ):
        assert main([*arguments, *more]) == 0
        image = cv2.cvtColor(cv2.imread(str(output)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(image, legend(tree, sorted(shares), shares=shares))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--output', 'nowhere/legend.png'], 'nowhere/legend.png cannot be written'),
        (['--output', 'legend.nothing'], 'legend.nothing cannot be written; expected a name that'),
        (['--output', 'legend.png', '--level', '-2'], '--level is -2'),
        (['--output', 'legend.png', '--height', '9'], '--height is 9'),
        (
            ['--output', 'legend.png', '--labels', 'none.png'],
            'none.png is missing or not an',
        ),
        (['--output', 'legend.png', '--labels', 'rgb.png'], 'rgb.png is missing or not an image'),
        (['--output', 'legend.png', '--labels', 'other.png'], 'other.png holds the id 200'),
    ],
)
def test_a_legend_that_cannot_be_drawn_is_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('rgb.png', np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite('other.png', np.full((4, 4), 200, np.uint8))
    assert main(['taxonomy', 'legend', *options]) == 2
    assert message in capsys.readouterr().err
    assert not Path('legend.png').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['show', 'nowhere'], 'nowhere.yaml does not exist'),
        (['show', '--level', '-1'], '--level is -1; expected 0'),
        (['check', 'nowhere.yaml'], 'nowhere.yaml does not exist'),
        (['check', 'street', '--mapping', 'none'], 'none.yaml does not exist'),
        (['check', 'iv2018', '--mapping', 'nowhere'], 'nowhere'),
    ],
)
def test_a_fault_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['taxonomy', *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ''
    assert output.err.startswith('hiseg taxonomy: ')
    assert message in output.err
    assert output.err.count('\n') == 1


@pytest.mark.parametrize('arguments', [[], ['chek', 'street'], ['check']])
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['taxonomy', *arguments])
    assert caught.value.code == 2


def test_trees_and_images_cost_no_torch() -> None:
    code = (
        'import sys\n'
        'from hiseg_ros.cli.__main__ import main\n'
        'import hiseg_ros.visualization\n'
        "main(['taxonomy', 'check', 'street', '--mapping', 'camvid'])\n"
        "assert 'torch' not in sys.modules and 'rclpy' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
