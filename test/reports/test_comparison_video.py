# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg video --compare`: networks side by side on images without labels."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import ConfigError
from hiseg_ros.reports.comparison_video import CAPTION_HEIGHT, Side, write_comparison
from hiseg_ros.reports.label_video import VideoStyle
from hiseg_ros.reports.video import STRIP_HEIGHT
from hiseg_ros.retrieval.sources import open_source
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted
from hiseg_ros.visualization import overlay

NOTHING = NodeProbabilities(np.zeros((0, 0, 0), np.float32), (0, 0))


class SaysOneNode:
    """Stands for a network: every pixel is the same node."""

    def __init__(self, taxonomy: Taxonomy, name: str) -> None:
        """Choose the node by name."""
        self.taxonomy = taxonomy
        self.node_id = next(n.node_id for n in taxonomy.nodes if n.name == name)

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return the node everywhere."""
        labels = np.full(rgb.shape[:2], self.node_id, np.uint8)
        return Segmentation(labels, np.zeros((0, 0), np.uint8), NOTHING)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Return a bag of 9 frames at 20 Hz, 64 x 96, each brighter than the one before."""
    frames = [Frame(np.full((64, 96, 3), 20 * n, np.uint8)) for n in range(1, 10)]
    write_camera_bag(tmp_path / 'drive', frames, 20.0)
    return tmp_path / 'drive'


def decoded(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Return times in seconds and images of a video."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    return [float(f.time or 0) for f in frames], [f.to_ndarray(format='rgb24') for f in frames]


def test_each_side_has_its_networks_labels_under_its_caption(bag: Path, tmp_path: Path) -> None:
    taxonomy = load_taxonomy('street')
    sides = [
        Side(SaysOneNode(taxonomy, 'Sky'), 'before'),
        Side(SaysOneNode(taxonomy, 'Building'), 'after'),
    ]
    path, source = tmp_path / 'both.mp4', open_source(bag)
    style = VideoStyle(names=False, legend=False, height=64)
    seen: list[int] = []
    assert write_comparison(path, source, sides, style, lambda: seen.append(1)) == (9, 0)
    assert len(seen) == 9
    times, images = decoded(path)
    assert times == pytest.approx(np.arange(9) / 20, abs=2e-3)
    assert images[0].shape == (CAPTION_HEIGHT + 64 + STRIP_HEIGHT, 192, 3)
    rgbs = [frame.rgb for frame in source.frames() if frame.rgb is not None]
    for rgb, written in zip(rgbs, images, strict=True):
        for place, side in enumerate(sides):
            part = written[CAPTION_HEIGHT : CAPTION_HEIGHT + 64, 96 * place : 96 * place + 96]
            expected = overlay(rgb, side.network.segment(rgb).labels, taxonomy)
            assert np.abs(part.astype(int) - expected).mean() < 6
    captions = images[0][:CAPTION_HEIGHT].astype(int)
    assert captions[:, :96].max() > 150 and captions[:, 96:].max() > 150  # both have letters
    assert np.abs(captions[:, :96] - captions[:, 96:]).max() > 100  # and different ones


def test_a_legend_of_both_and_files_at_a_fixed_rate(tmp_path: Path) -> None:
    """The folder has an image that is damaged: it is left out and counted."""
    taxonomy = load_taxonomy('street')
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((60, 80, 3), 90, np.uint8))
    (tmp_path / '1.png').write_bytes(b'no image')
    sides = [Side(SaysOneNode(taxonomy, name), name) for name in ('Sky', 'Building')]
    path = tmp_path / 'out' / 'both.mp4'
    path.parent.mkdir()
    assert write_comparison(path, open_source(tmp_path), sides) == (2, 1)
    times, images = decoded(path)
    assert times == pytest.approx([0, 0.2], abs=2e-3)
    assert images[0].shape[1] == 2 * 640
    legend = images[0][CAPTION_HEIGHT + 480 : -STRIP_HEIGHT]
    assert (legend > 235).mean() > 0.3
    for side in sides:
        color = taxonomy.nodes[side.network.node_id].color
        assert (np.abs(legend.astype(int) - color).sum(2) < 60).sum() > 50, side.caption


def test_networks_of_two_trees_are_not_compared(bag: Path, tmp_path: Path) -> None:
    trees = load_taxonomy('street'), load_taxonomy('iv2018')
    sides = [Side(SaysOneNode(tree, tree.nodes[-1].name), f'{n}') for n, tree in enumerate(trees)]
    with pytest.raises(ConfigError, match="'1' has the taxonomy .* expected networks of one tree"):
        write_comparison(tmp_path / 'both.mp4', open_source(bag), sides)
    assert not (tmp_path / 'both.mp4').exists()


@pytest.mark.needs('torch')
def test_the_verb_opens_the_models_and_says_what_it_wrote(
    bag: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'both.mp4'
    models = [str(tiny_checkpoint)] * 2
    command = ['video', str(bag), '--output', str(path), '--height', '64', '--compare', *models]
    assert main([*command, '--captions', 'source only', 'adapted']) == 0
    assert f'9 frames, source only | adapted: {path}' in capsys.readouterr().out
    _, images = decoded(path)
    same = images[4][CAPTION_HEIGHT : CAPTION_HEIGHT + 64].astype(int)
    assert np.abs(same[:, :96] - same[:, 96:]).mean() < 6, 'the same weights twice'


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        (['--compare', 'a.onnx'], '--compare has 1 models and 1 captions; expected at least two'),
        (['--compare', 'a', 'b', '--captions', 'one'], 'has 2 models and 1 captions'),
        (['--captions', 'one'], '--captions is given without --compare'),
        (['--compare', 'a', 'b', '--side-by-side'], 'expected one of the two'),
        (['--compare', 'a.safetensors', 'b.safetensors'], 'a.safetensors do not exist; expected'),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert main(['video', str(bag), '--output', str(tmp_path / 'v.mp4'), *more]) == 2
    error = capsys.readouterr().err
    assert words in error and 'Traceback' not in error
