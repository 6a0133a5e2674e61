# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Files of classical methods: as trained, safe to read, refused where a network is expected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from classical_runs import small_classical, trained
from drawn_camvid import draw_camvid

from hiseg_ros.classical.engine import ClassicalEngine
from hiseg_ros.classical.forest import Forest
from hiseg_ros.classical.model_file import (
    ClassicalModel,
    is_classical,
    load_classical,
    save_classical,
)
from hiseg_ros.errors import CheckpointError, ConfigError, ImageError
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.classical.samples import TrainingImages
from hiseg_ros.training.classical.segments import forest_arrays
from hiseg_ros.training.classical.windows import _linear

pytestmark = pytest.mark.needs('classical')


@pytest.fixture(scope='module')
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 12 training and 4 validation images."""
    return draw_camvid(tmp_path_factory.mktemp('camvid'))


@pytest.fixture(scope='module')
def forest_file(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a small forest."""
    return trained('superpixel', camvid, tmp_path_factory.mktemp('forest'))


@pytest.fixture(scope='module')
def prior_file(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a position prior."""
    return trained('prior', camvid, tmp_path_factory.mktemp('prior'))


def test_a_forest_of_arrays_is_the_one_that_was_fitted() -> None:
    """Labels that were not seen have no share."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 6)).astype(np.float32)
    kinds = (features[:, 0] > 0).astype(int) + (features[:, 1] * features[:, 2] > 0.3)
    labels = np.array([1, 4, 5])[kinds]
    fitted = RandomForestClassifier(12, max_leaf_nodes=30, random_state=3).fit(features, labels)
    forest = forest_arrays(fitted, 7)
    unseen = rng.normal(size=(5000, 6)).astype(np.float32)
    found = forest.probabilities(unseen)
    np.testing.assert_allclose(found[:, [1, 4, 5]], fitted.predict_proba(unseen), atol=2e-3)
    assert not found[:, [0, 2, 3, 6]].any()
    assert Forest.read(forest.arrays(), 7, 6).probabilities(unseen).tolist() == found.tolist()


@pytest.mark.parametrize('classes', [2, 4])
def test_a_linear_classifier_of_arrays_is_the_calibrated_svm(classes: int, camvid: Path) -> None:
    """With the standardisation folded in; two labels have a single score in scikit-learn."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, 400)
    shift = np.array([3.0, -1.0, 0.5, 0.0, 7.0])
    features = (labels[:, None] * shift + rng.normal(size=(400, 5)) * 3 + 50).astype(np.float32)
    options = small_classical('hog', camvid).method_options()
    found = _linear(features, labels + 1, classes + 2, options)
    scaled = (features - features.mean(0)) / features.std(0)
    svm = LinearSVC(C=options.strength, dual=False, tol=1e-3)
    expected = CalibratedClassifierCV(svm, cv=3, ensemble=False).fit(scaled, labels)
    probabilities = found.probabilities(features)
    np.testing.assert_allclose(probabilities[:, 1:-1], expected.predict_proba(scaled), atol=1e-3)
    assert probabilities[:, [0, -1]].max() < 1e-20


def test_a_file_says_what_it_is(prior_file: Path) -> None:
    info = read_info(prior_file)
    assert info.network is None and info.classical['method'] == 'prior'
    assert info.card['training_sets'][0]['licence'] == 'CC BY-NC 4.0'
    assert is_classical(prior_file)
    model = load_classical(prior_file)
    names = [label.name for label in model.labels.labels]
    assert names[:4] == ['Sky', 'Building', 'Pole', 'Road'] and len(names) == 11
    assert model.height == 64


def test_a_network_is_no_classical_method(tmp_path: Path) -> None:
    from hiseg_ros.resources import default_model

    weights = default_model()
    assert not is_classical(weights)
    assert not is_classical(tmp_path / 'none.safetensors')
    with pytest.raises(CheckpointError, match='holds no classical method; expected'):
        load_classical(weights)


@pytest.mark.parametrize('backend', ['auto', 'eager'])
def test_the_engine_of_the_node_refuses_it_in_a_sentence(backend: str, prior_file: Path) -> None:
    """Node, replay and benchmark open models through this engine alone."""
    with pytest.raises(
        CheckpointError, match='holds the classical method .prior., a slow'
    ) as said:
        Engine(prior_file, backend=backend)
    assert 'expected a network: classical methods run in' in str(said.value)


@pytest.mark.needs('torch')
def test_what_reads_weights_refuses_it_too(prior_file: Path) -> None:
    """Export, benchmarks and training that starts from weights."""
    from hiseg_ros.model.checkpoint import load_checkpoint

    with pytest.raises(CheckpointError, match='expected a network'):
        load_checkpoint(prior_file)


def test_damage_is_noticed(forest_file: Path, tmp_path: Path) -> None:
    content = bytearray(forest_file.read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(content)
    with pytest.raises(CheckpointError, match='expected them equal: the file is damaged'):
        load_classical(damaged)
    cut = tmp_path / 'cut.safetensors'
    cut.write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match='not a readable'):
        load_classical(cut)


class Raw:
    """Stands for a method: writes any arrays."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        """Take the arrays."""
        self._arrays = arrays

    def arrays(self) -> dict[str, np.ndarray]:
        """Return them."""
        return self._arrays


def rewritten(model: ClassicalModel, path: Path, name: str, change: object) -> Path:
    """Write a model with one array changed, or without it."""
    arrays = {key: one.copy() for key, one in model.method.arrays().items()}
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])  # type: ignore[operator]
    save_classical(path, replace(model, method=Raw(arrays)))
    return path


def with_first(values: np.ndarray, first: float) -> np.ndarray:
    """Return values with another first one."""
    values.reshape(-1)[0] = first
    return values


@pytest.mark.parametrize(
    ('name', 'change', 'reason'),
    [
        ('forest_left', None, "no array 'forest_left'"),
        ('forest_left', lambda one: with_first(one, 0), 'a child outside its tree or before'),
        ('forest_right', lambda one: with_first(one, 10**6), 'a child outside its tree'),
        ('forest_left', lambda one: one.astype(np.int64), 'type int64, not'),
        ('forest_feature', lambda one: with_first(one, 500), 'compares other than 42 features'),
        ('forest_threshold', lambda one: with_first(one, np.nan), 'not finite'),
        ('forest_row', lambda one: one + 10**5, 'a leaf that has no shares'),
        ('forest_roots', lambda one: one + 1, 'trees do not begin in order'),
        ('forest_shares', lambda one: one * 0, 'leaves have no shares'),
        ('forest_shares', lambda one: one[:, :5].copy(), r'not \(-1, 11\) float16'),
    ],
)
def test_a_forest_that_would_not_end_is_refused(
    name: str, change: object, reason: str, forest_file: Path, tmp_path: Path
) -> None:
    """Whoever alters a file can alter its digest too."""
    path = rewritten(load_classical(forest_file), tmp_path / 'x.safetensors', name, change)
    with pytest.raises(CheckpointError, match=reason) as said:
        load_classical(path)
    assert 'cannot be used' in str(said.value) and str(said.value).endswith('train it again.')


def test_a_prior_of_no_shares_is_refused(prior_file: Path, tmp_path: Path) -> None:
    path = rewritten(
        load_classical(prior_file), tmp_path / 'x.safetensors', 'prior', lambda one: one * 2
    )
    with pytest.raises(CheckpointError, match='values that are no shares'):
        load_classical(path)


def test_settings_that_do_not_fit_are_refused(prior_file: Path, tmp_path: Path) -> None:
    """An inner node as a leaf, an unknown method, an impossible height."""
    import json

    from safetensors import safe_open
    from safetensors.numpy import load, save

    from hiseg_ros.model.digest import with_digest
    from hiseg_ros.model.info import INFO_KEY

    with safe_open(prior_file, framework='np') as file:
        info = json.loads(file.metadata()[INFO_KEY])
    for key, value, reason in (
        ('method', 'magic', "method is 'magic'; expected one of"),
        ('height', 1, 'height of working images is 1; expected'),
        ('options', {'rows': 0}, 'rows is 0; expected'),
        ('labels', [{'name': 'a', 'leaves': ['Vehicle']}] * 2, 'expected|both allow'),
        ('labels', [], 'expected at least two'),
        ('crf', {'rounds': -1}, 'rounds of the CRF is -1'),
        ('crf', {'sharpness': 1}, 'TypeError'),
    ):
        changed = {**info, 'classical': {**info['classical'], key: value}}
        path = tmp_path / 'y.safetensors'
        arrays = load(prior_file.read_bytes())
        path.write_bytes(with_digest(save(arrays, {INFO_KEY: json.dumps(changed)})))
        with pytest.raises(CheckpointError, match=reason):
            load_classical(path)


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({'device': 'cuda'}, "the device is 'cuda'; expected one of"),
        ({'backend': 'eager'}, "the backend is 'eager'; expected one of"),
        ({'precision': 'int8'}, "the precision is 'int8'; expected one of"),
        ({'input_height': 8}, 'height of working images is 8; expected'),
        ({'threshold': 1.5}, 'threshold is 1.5; expected'),
    ],
)
def test_what_a_method_cannot_have_is_said(
    settings: dict[str, object], reason: str, prior_file: Path
) -> None:
    with pytest.raises(ConfigError, match=reason):
        ClassicalEngine(prior_file, **settings)  # type: ignore[arg-type]


def test_images_that_cannot_be_segmented_are_refused(prior_file: Path) -> None:
    engine = ClassicalEngine(prior_file)
    with pytest.raises(ImageError, match=r'expected \(height, width, 3\) uint8'):
        engine.segment(np.zeros((4, 4), np.uint8))
    with pytest.raises(ImageError, match='at work 8 x 800000; expected at most'):
        engine.segment(np.zeros((8, 800_000, 3), np.uint8))


def test_a_missing_package_is_named_with_its_extra(
    prior_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *rest: None if name == 'skimage' else found(name, *rest),
    )
    with pytest.raises(ConfigError, match='expected the extra "classical": pip install') as said:
        ClassicalEngine(prior_file)
    assert "No module named 'skimage'" in str(said.value)


def test_training_images_without_labels_are_refused(camvid: Path, tmp_path: Path) -> None:
    import cv2

    from hiseg_ros.errors import DatasetError

    folder = tmp_path / 'empty'
    (folder / 'images').mkdir(parents=True)
    cv2.imwrite(str(folder / 'images/0.png'), np.zeros((64, 64, 3), np.uint8))
    cv2.imwrite(str(folder / 'images/0_label.png'), np.full((64, 64), 11, np.uint8))
    (folder / 'train.txt').write_text('images/0.png images/0_label.png\n')
    config = small_classical('prior', folder)
    images = TrainingImages.open(config, load_taxonomy('street'))
    with pytest.raises(DatasetError, match='No pixel of the 1 images has a label'):
        list(images)
    with pytest.raises(DatasetError, match='No pixel of the 1 images|windows of 0 labels'):
        trained('hog', folder, tmp_path / 'hog')
