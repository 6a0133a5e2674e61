# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg predict` and `hiseg evaluate` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main

pytestmark = pytest.mark.needs('torch')


@pytest.fixture
def image(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return the path of a PNG."""
    path = tmp_path / 'street.png'
    cv2.imwrite(str(path), cv2.cvtColor(street_image, cv2.COLOR_RGB2BGR))
    return path


def test_predict_writes_labels_overlay_tree_and_mapped_labels(
    tmp_path: Path, image: Path, street_image: np.ndarray, tiny_checkpoint: Path
) -> None:
    """Every file holds what the library computes for the same image."""
    from hiseg_ros.decision.mapped import decide_mapping
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.taxonomy import load_mapping
    from hiseg_ros.visualization import draw_names, overlay, place_names

    out = tmp_path / 'out'
    arguments = ['predict', str(image), '--output', str(out), '--model', str(tiny_checkpoint)]
    assert main([*arguments, '--mapping', 'camvid']) == 0
    engine = Engine(tiny_checkpoint)
    result = engine.segment(street_image)
    labels = cv2.imread(str(out / 'street_labels.png'), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, result.labels)
    mapped = cv2.imread(str(out / 'street_camvid.png'), cv2.IMREAD_UNCHANGED)
    mapping = load_mapping('camvid', engine.taxonomy)
    np.testing.assert_array_equal(
        mapped, decide_mapping(result.probabilities, engine.taxonomy, mapping)
    )
    shown = cv2.cvtColor(cv2.imread(str(out / 'street_overlay.png')), cv2.COLOR_BGR2RGB)
    painted = overlay(street_image, labels, engine.taxonomy, 0.5)
    names = place_names(labels, engine.taxonomy)
    np.testing.assert_array_equal(shown, draw_names(painted, names, engine.taxonomy))
    tree = json.loads((out / 'taxonomy.json').read_text())
    assert [node['id'] for node in tree] == list(range(len(engine.taxonomy)))
    assert tree[0]['parent'] is None
    for node in tree:
        assert set(node) == {'id', 'name', 'parent', 'color'}
        assert tuple(node['color']) == engine.taxonomy.nodes[node['id']].color


def test_names_can_be_left_out_and_a_legend_stand_beside(
    tmp_path: Path, image: Path, street_image: np.ndarray, tiny_checkpoint: Path
) -> None:
    """The label image is the same; an image with a legend is large enough for its text."""
    from hiseg_ros.taxonomy import load_taxonomy
    from hiseg_ros.visualization import overlay, to_height, with_legend

    def files(*more: str) -> list[np.ndarray]:
        arguments = ['predict', str(image), '--output', str(tmp_path / 'out')]
        assert main([*arguments, '--model', str(tiny_checkpoint), *more]) == 0
        paths = [tmp_path / f'out/street_{kind}.png' for kind in ('labels', 'overlay')]
        return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]

    labels, plain = files('--no-names')
    taxonomy = load_taxonomy('street')
    painted = overlay(street_image, labels, taxonomy)
    np.testing.assert_array_equal(cv2.cvtColor(plain, cv2.COLOR_BGR2RGB), painted)
    again, shown = files('--no-names', '--legend')
    np.testing.assert_array_equal(again, labels)
    rgb, large = to_height(street_image, labels, 720)
    expected = with_legend(overlay(rgb, large, taxonomy), large, taxonomy)
    np.testing.assert_array_equal(cv2.cvtColor(shown, cv2.COLOR_BGR2RGB), expected)


def test_predict_runs_the_backend_and_precision_it_is_given(
    tmp_path: Path, image: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They reach the engine; without them the defaults do."""
    from hiseg_ros.inference import engine

    given: list[tuple[object, object]] = []
    original = engine.Engine

    def watched(*values: object, **named: object) -> object:
        given.append((named['backend'], named['precision']))
        return original(*values, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, 'Engine', watched)
    arguments = ['predict', str(image), '--output', str(tmp_path / 'out')]
    arguments += ['--model', str(tiny_checkpoint), '--device', 'cpu']
    assert main(arguments) == 0
    assert main([*arguments, '--backend', 'eager', '--precision', 'bfloat16']) == 0
    assert given == [('auto', 'float32'), ('eager', 'bfloat16')]


def test_predict_leaves_unsure_pixels_unlabeled(
    tmp_path: Path, image: Path, street_image: np.ndarray, tiny_checkpoint: Path
) -> None:
    """With --min-probability they are 255; the others do not change."""
    from hiseg_ros.decision.mapped import decide_mapping
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.taxonomy import load_mapping

    engine = Engine(tiny_checkpoint)
    probabilities = engine.segment(street_image).probabilities
    mapping = load_mapping('camvid', engine.taxonomy)
    plain = decide_mapping(probabilities, engine.taxonomy, mapping)
    level = next(
        level
        for level in np.arange(0.05, 1, 0.01)
        if (decide_mapping(probabilities, engine.taxonomy, mapping, level) == 255).mean() > 0.3
    )
    arguments = ['predict', str(image), '--output', str(tmp_path), '--mapping', 'camvid']
    arguments += ['--model', str(tiny_checkpoint), '--min-probability', str(level)]
    assert main(arguments) == 0
    sure = cv2.imread(str(tmp_path / 'street_camvid.png'), cv2.IMREAD_UNCHANGED)
    is_unsure = sure == 255
    assert 0.3 < is_unsure.mean() < 1
    np.testing.assert_array_equal(sure[~is_unsure], plain[~is_unsure])


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [(['--min-probability', '0.5'], '--mapping'), (['--min-probability', '2'], '2.0')],
)
def test_predict_refuses_a_least_probability_without_use(
    tmp_path: Path,
    image: Path,
    arguments: list[str],
    word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It needs a mapping and lies between 0 and 1."""
    assert main(['predict', str(image), '--output', str(tmp_path / 'out'), *arguments]) == 2
    assert word in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_two_images_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, image: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second would overwrite the first one's results."""
    out = tmp_path / 'out'
    arguments = ['predict', str(image), str(image), '--output', str(out)]
    assert main([*arguments, '--model', str(tiny_checkpoint)]) == 2
    assert "'street'" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ('extra', 'words'),
    [
        (['--threshold', '1.5'], 'threshold is 1.5'),
        (['--alpha', '-1'], '--alpha is -1'),
        (['--device', 'cuda:99'], 'cuda:99'),
        (['--mapping', 'nowhere'], 'nowhere'),
        (['--input-height', '5'], 'input height is 5'),
        (['--backend', 'fastest'], "The backend is 'fastest'; expected one of"),
        (['--backend', 'openvino'], "Backend 'openvino' cannot run"),
        (['--precision', 'float8'], "The precision is 'float8'; expected one of"),
        (['--model', 'missing.safetensors'], 'missing.safetensors'),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(
    tmp_path: Path,
    image: Path,
    tiny_checkpoint: Path,
    extra: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback, no output."""
    arguments = ['predict', str(image), '--output', str(tmp_path / 'out')]
    assert main([*arguments, '--model', str(tiny_checkpoint), *extra]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_an_unreadable_image_is_named(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A text file is no image."""
    path = tmp_path / 'note.png'
    path.write_text('not an image')
    arguments = ['predict', str(path), '--output', str(tmp_path / 'out')]
    assert main([*arguments, '--model', str(tiny_checkpoint)]) == 2
    assert 'note.png' in capsys.readouterr().err


def test_evaluate_on_camvid_equals_a_count_of_its_own(
    tmp_path: Path,
    tiny_checkpoint: Path,
    street_image: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pixel accuracy of the node labels, counted anew from the engine's labels."""
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.taxonomy import load_mapping

    root = tmp_path / 'camvid'
    (root / 'images').mkdir(parents=True)
    (root / 'labels').mkdir()
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 12, street_image.shape[:2]).astype(np.uint8)
    cv2.imwrite(str(root / 'images/a.png'), cv2.cvtColor(street_image, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(root / 'labels/a.png'), truth)
    (root / 'val.txt').write_text('images/a.png labels/a.png\n')
    arguments = ['evaluate', '--dataset', 'camvid', '--root', str(root)]
    target = tmp_path / 'scores.json'
    assert main([*arguments, '--model', str(tiny_checkpoint), '--json', str(target)]) == 0
    scores = json.loads(target.read_text())
    assert json.loads(capsys.readouterr().out) == scores
    engine = Engine(tiny_checkpoint)
    labels = engine.segment(street_image).labels
    mapping = load_mapping('camvid', engine.taxonomy)
    right = sum(
        int(
            (
                (truth == label.label_id)
                & np.isin(
                    labels,
                    [
                        node.node_id
                        for node in engine.taxonomy.nodes
                        if set(engine.taxonomy.leaves_below(node.node_id)) <= set(label.leaves)
                    ],
                )
            ).sum()
        )
        for label in mapping.labels
    )
    expected = right / int((truth < 11).sum())
    assert scores['nodes']['pixel_accuracy'] == pytest.approx(expected)


def test_evaluate_on_gtsdb_counts_every_box(
    tmp_path: Path,
    tiny_checkpoint: Path,
    street_image: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The held-out part is every fifth image."""
    for number in (5, 6):
        bgr = cv2.cvtColor(street_image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(tmp_path / f'{number:05d}.ppm'), bgr)
    (tmp_path / 'gt.txt').write_text(
        '00005.ppm;10;10;40;40;14\n00005.ppm;50;10;80;40;2\n00006.ppm;10;10;40;40;1\n'
    )
    arguments = ['evaluate', '--dataset', 'gtsdb', '--root', str(tmp_path), '--split', 'held_out']
    assert main([*arguments, '--model', str(tiny_checkpoint)]) == 0
    assert json.loads(capsys.readouterr().out)['signs'] == 2


def test_ground_truth_beyond_a_byte_is_refused_instead_of_wrapped() -> None:
    """A 16-bit id of 256 must not pass for label 0."""
    from hiseg_ros.errors import BagError
    from hiseg_ros.replay.truth import one_byte

    ids = np.array([[0, 255]], np.uint16)
    assert one_byte(ids, '/truth').dtype == np.uint8
    with pytest.raises(BagError, match='values up to 256'):
        one_byte(ids + np.uint16(1), '/truth')


def test_crf_refines_every_file_and_its_options_are_checked(
    tmp_path: Path,
    image: Path,
    street_image: np.ndarray,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels and mapped labels are those of the CRF; wrong options end before the network runs."""
    from hiseg_ros.decision.mapped import decide_mapping
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.postprocessing import crf as crf_module
    from hiseg_ros.postprocessing.parameters import CrfParameters
    from hiseg_ros.taxonomy import load_mapping

    out = tmp_path / 'out'
    arguments = ['predict', str(image), '--output', str(out), '--model', str(tiny_checkpoint)]
    rounds = ['--crf', '--crf-option', 'rounds=2', '--crf-option', 'classes=6']
    assert main([*arguments, '--mapping', 'camvid', '--no-names', *rounds]) == 0
    engine = Engine(tiny_checkpoint)
    network = engine.segment(street_image)
    crf = crf_module.DenseCrf(engine.taxonomy, CrfParameters(rounds=2, classes=6))
    expected = crf.refine(street_image, network)
    labels = cv2.imread(str(out / 'street_labels.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, expected.labels)
    assert (labels != network.labels).any()
    mapped = cv2.imread(str(out / 'street_camvid.png'), cv2.IMREAD_UNCHANGED)
    mapping = load_mapping('camvid', engine.taxonomy)
    np.testing.assert_array_equal(
        mapped, decide_mapping(expected.probabilities, engine.taxonomy, mapping)
    )
    capsys.readouterr()
    assert main([*arguments, '--crf-option', 'rounds=2']) == 2
    assert 'given without --crf' in capsys.readouterr().err
    assert main([*arguments, '--crf', '--crf-option', 'rounds=-1']) == 2
    assert 'rounds of the CRF is -1; expected 0 to 100' in capsys.readouterr().err
    monkeypatch.setattr(crf_module, 'free_memory', lambda: 30_000_000)
    assert main([*arguments, '--crf']) == 2
    assert 'are free; expected at most ' in capsys.readouterr().err
