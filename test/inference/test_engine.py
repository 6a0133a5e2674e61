# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The engine: labels for any image, and errors in one sentence."""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.decision import decide, interpolate
from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, ImageError
from hiseg_ros.inference import engine as engine_module
from hiseg_ros.inference import open_model as choice
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.torch_device import find_device
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.resources import default_model, tree_model
from hiseg_ros.types import Segmentation, Wanted


@pytest.fixture(scope='module')
def engine(tiny_checkpoint: Path) -> Engine:
    """Return one engine for the tests that do not close it."""
    return Engine(tiny_checkpoint, device='cpu')


def same(first: Segmentation, second: Segmentation) -> bool:
    """Return whether two results are equal bit by bit."""
    return (
        np.array_equal(first.labels, second.labels)
        and np.array_equal(first.confidence, second.confidence)
        and np.array_equal(first.probabilities.values, second.probabilities.values)
    )


@pytest.mark.parametrize(
    'size', [(1, 1), (7, 1000), (1000, 7), (360, 480), (33, 31), (64, 96), (5, 32)]
)
@pytest.mark.parametrize('threshold', [0.0, 0.6])
def test_every_image_size_gives_labels_of_that_size(
    engine: Engine, size: tuple[int, int], threshold: float
) -> None:
    """Labels, confidence and probabilities are complete and consistent at any size."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    engine.threshold = threshold
    result = engine.segment(image)
    engine.threshold = 0.0
    taxonomy = engine.taxonomy
    assert result.labels.shape == result.confidence.shape == size
    assert result.labels.dtype == result.confidence.dtype == np.uint8
    allowed = taxonomy.leaves if threshold == 0 else range(len(taxonomy))
    assert set(np.unique(result.labels).tolist()) <= set(allowed)
    values = result.probabilities.values
    assert result.probabilities.image_size == size
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert values.shape[0] == len(taxonomy)
    np.testing.assert_allclose(values[0], 1, atol=1e-5)
    for inner in taxonomy.inner:
        np.testing.assert_allclose(
            values[inner], values[list(taxonomy.children(inner))].sum(0), atol=1e-5
        )
    assert set(result.timings_ms) == {'preprocess', 'network', 'decision'}
    assert all(value >= 0 for value in result.timings_ms.values())


@pytest.mark.parametrize('threshold', [0.0, 0.5])
def test_the_result_follows_from_the_published_probabilities(
    engine: Engine, street_image: np.ndarray, threshold: float
) -> None:
    """Labels are the decision on the probabilities, confidence is that of the chosen node."""
    engine.threshold = threshold
    result = engine.segment(street_image)
    engine.threshold = 0.0
    size = street_image.shape[:2]
    nodes = torch.from_numpy(result.probabilities.values)
    labels, _ = decide(nodes, engine.taxonomy, size, threshold)
    np.testing.assert_array_equal(result.labels, labels)
    of_all_nodes = interpolate(nodes, size).numpy()
    chosen = np.take_along_axis(of_all_nodes, result.labels[None].astype(int), 0)[0]
    assert np.abs(chosen * 255 - result.confidence).max() <= 0.501
    assert len(np.unique(result.labels)) > 5, 'the test image should not be decided trivially'


def test_the_network_is_the_one_in_the_file(
    engine: Engine, tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """The engine adds nothing to network(prepared image)."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    network = checkpoint.build()
    with torch.inference_mode():
        nodes = network.node_probabilities(network(checkpoint.preprocessing.prepare(street_image)))
    found = engine.segment(street_image).probabilities.values
    assert found.shape[1:] == (24, 40)
    np.testing.assert_allclose(found, nodes[0].numpy(), atol=1e-3)  # memory layouts differ


def test_the_same_image_gives_the_same_result(
    engine: Engine, tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """Twice in one engine, and in a second engine of the same weights."""
    first = engine.segment(street_image)
    engine.segment(street_image[:50, :70])
    assert same(first, engine.segment(street_image))
    assert same(first, Engine(tiny_checkpoint, device='cpu').segment(street_image))


def test_the_engine_neither_keeps_nor_changes_the_image(
    engine: Engine, street_image: np.ndarray
) -> None:
    """The caller may reuse its buffer at once, and results do not share memory."""
    before = street_image.copy()
    first = engine.segment(street_image)
    np.testing.assert_array_equal(street_image, before)
    labels, values = first.labels.copy(), first.probabilities.values.copy()
    street_image[:] = 0
    engine.segment(street_image)
    np.testing.assert_array_equal(first.labels, labels)
    np.testing.assert_array_equal(first.probabilities.values, values)


@pytest.mark.parametrize('layout', ['read-only', 'reversed channels', 'window'])
def test_views_are_images_too(engine: Engine, street_image: np.ndarray, layout: str) -> None:
    """A message's read-only bytes, `bgr[..., ::-1]` and a window give what a copy gives."""
    view = {
        'read-only': np.frombuffer(street_image.tobytes(), np.uint8).reshape(street_image.shape),
        'reversed channels': street_image[..., ::-1],
        'window': street_image[3:90:2, 5:155],
    }[layout]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = engine.segment(view)
    assert same(found, engine.segment(view.copy()))


def test_what_is_not_wanted_is_not_computed(engine: Engine, street_image: np.ndarray) -> None:
    """Labels, confidence and probabilities can be left out one by one."""
    whole = engine.segment(street_image)
    for which in itertools.product((True, False), repeat=3):
        wanted = Wanted(*which)
        part = engine.segment(street_image, wanted)
        assert part.labels.shape == (whole.labels.shape if wanted.labels else (0, 0))
        assert part.confidence.shape == (whole.labels.shape if wanted.confidence else (0, 0))
        assert part.probabilities.image_size == street_image.shape[:2]
        if wanted.labels:
            assert np.array_equal(part.labels, whole.labels)
        if wanted.confidence:
            assert np.array_equal(part.confidence, whole.confidence)
        if wanted.probabilities:
            assert np.array_equal(part.probabilities.values, whole.probabilities.values)
        else:
            assert part.probabilities.values.shape == (0, 0, 0)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 3), bool),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
        np.zeros(0, np.uint8),
    ],
    ids=lambda image: f'{image.shape}-{image.dtype}',
)
def test_an_array_that_is_no_image_is_refused(engine: Engine, image: np.ndarray) -> None:
    """The message names its shape and type; the engine goes on."""
    with pytest.raises(ImageError, match=r'expected \(height, width, 3\) uint8') as caught:
        engine.segment(image)
    assert str(image.shape) in str(caught.value)
    assert str(image.dtype) in str(caught.value)
    assert engine.segment(np.zeros((32, 32, 3), np.uint8)).labels.shape == (32, 32)


def test_an_image_of_too_many_pixels_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is not asked for what no camera sends."""
    monkeypatch.setattr(engine_module, 'MAX_PIXELS', 1000)
    assert engine.segment(np.zeros((25, 40, 3), np.uint8)).labels.size == 1000
    with pytest.raises(ImageError, match='26 x 40 pixels; expected at most 1000'):
        engine.segment(np.zeros((26, 40, 3), np.uint8))


def test_a_narrow_image_that_would_become_a_huge_input_is_refused(tiny_checkpoint: Path) -> None:
    """One pixel high and enlarged to the input height, a line would fill the memory."""
    line = np.zeros((1, 200_000, 3), np.uint8)
    with pytest.raises(ImageError, match=r'network input of 480 x 96000000.*crop'):
        Engine(tiny_checkpoint, device='cpu', input_height=480).segment(line)


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(CheckpointError, match=r'absent\.safetensors do not exist'):
        Engine(tmp_path / 'absent.safetensors')


def test_without_a_path_the_shipped_weights_are_taken(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default is the package's own file, found where the package lies."""
    path = tmp_path / 'shipped.safetensors'
    shutil.copy(tiny_checkpoint, path)
    monkeypatch.setattr(choice, 'default_model', path.with_suffix)
    found = Engine(device='cpu', backend='eager')
    assert found.model_path == path
    assert found.info['name'] == 'tiny'


@pytest.mark.parametrize(
    ('backend', 'device', 'has_driver', 'suffix'),
    [
        ('auto', 'cpu', False, '.onnx'),
        ('auto', 'auto', False, '.onnx'),
        ('auto', 'cpu', True, '.onnx'),
        ('auto', 'auto', True, '.safetensors'),
        ('auto', 'cuda:0', False, '.safetensors'),
        ('eager', 'cpu', False, '.safetensors'),
        ('openvino', 'cpu', True, '.onnx'),
    ],
)
def test_the_shipped_file_is_of_the_kind_that_will_run(
    backend: str, device: str, has_driver: bool, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exported network on the CPU, weights where torch may find a GPU."""
    monkeypatch.setattr(choice, 'has_cuda_driver', lambda: has_driver)
    assert choice.shipped_file(backend, device) == default_model(suffix)
    if backend != 'eager':
        assert choice.shipped_file(backend, device, 'int8') == tree_model('_int8.onnx')


@pytest.mark.parametrize('file', [default_model, tree_model])
def test_a_shipped_network_is_exported_from_the_shipped_weights(
    file: Callable[..., Path],
) -> None:
    """Both files say the same of themselves and decide the same; a new one needs the other."""
    image = draw_scene(5, (256, 320)).rgb
    runtime = Engine(file('.onnx'), device='cpu', input_height=256)
    reference = Engine(file(), device='cpu', input_height=256)
    assert runtime.info == reference.info
    found, expected = runtime.segment(image), reference.segment(image)
    np.testing.assert_allclose(
        found.probabilities.values, expected.probabilities.values, atol=1e-3
    )
    assert (found.labels == expected.labels).mean() > 0.999


@pytest.mark.parametrize('name', ['cuda:99', 'cuda:-1', 'tpu', '', 'CPU', 'cpu:0', 'cuda:x'])
def test_a_device_that_does_not_exist_is_refused_with_those_that_do(
    tiny_checkpoint: Path, name: str
) -> None:
    """No silent fall back to the CPU."""
    with pytest.raises(DeviceError, match=rf"'{name}' does not exist.*'auto', 'cpu'"):
        Engine(tiny_checkpoint, device=name)


def test_device_names_mean_what_torch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """'auto' takes the first CUDA device where there is one; 'cuda' is the first one."""
    for count, auto in ((0, 'cpu'), (2, 'cuda:0')):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda count=count: count > 0)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda count=count: count)
        assert str(find_device('auto')) == auto
        assert str(find_device('cpu')) == 'cpu'
        if count:
            assert str(find_device('cuda')) == 'cuda:0'
            assert str(find_device('cuda:1')) == 'cuda:1'
        else:
            with pytest.raises(DeviceError, match="'cuda' does not exist"):
                find_device('cuda')


@pytest.mark.parametrize('threshold', [-0.1, 1.01, float('nan'), float('inf')])
def test_a_threshold_out_of_range_is_refused_and_the_old_one_stays(
    tiny_checkpoint: Path, threshold: float
) -> None:
    """At construction and between images."""
    with pytest.raises(ConfigError, match='threshold is'):
        Engine(tiny_checkpoint, device='cpu', threshold=threshold)
    engine = Engine(tiny_checkpoint, device='cpu', threshold=0.25)
    with pytest.raises(ConfigError, match='threshold is'):
        engine.threshold = threshold
    assert engine.threshold == 0.25


def test_a_new_threshold_takes_effect_on_the_next_image(
    engine: Engine, street_image: np.ndarray
) -> None:
    """A higher threshold stops at inner nodes."""
    leaves = engine.segment(street_image).labels
    engine.threshold = 0.9
    stopped = engine.segment(street_image).labels
    engine.threshold = 0.0
    assert (stopped != leaves).any()
    inner = set(engine.taxonomy.inner)
    assert set(np.unique(stopped).tolist()) & inner
    assert np.array_equal(engine.segment(street_image).labels, leaves)


def test_the_input_height_sets_the_networks_grid(
    tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """A larger input gives a finer grid and labels of the same size."""
    result = Engine(tiny_checkpoint, device='cpu', input_height=192).segment(street_image)
    assert result.probabilities.values.shape[1:] == (48, 80)
    assert result.labels.shape == (96, 160)


@pytest.mark.parametrize('input_height', [-1, 16, 31])
def test_an_input_height_out_of_range_is_refused_at_once(
    tiny_checkpoint: Path, input_height: int
) -> None:
    """Not at the first image."""
    with pytest.raises(ConfigError, match=f'input height is {input_height}'):
        Engine(tiny_checkpoint, device='cpu', input_height=input_height)


def test_a_closed_engine_says_so_and_may_be_closed_again(tiny_checkpoint: Path) -> None:
    """Closing frees the network; using it afterwards is an error in words."""
    engine = Engine(tiny_checkpoint, device='cpu')
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.segment(np.zeros((32, 32, 3), np.uint8))
    assert engine.taxonomy.name == 'street'


def test_an_engine_says_what_its_weights_are(engine: Engine) -> None:
    """Device, card and taxonomy can be read."""
    assert engine.device == 'cpu'
    assert engine.info['name'] == 'tiny'
    assert engine.taxonomy.name == 'street'
