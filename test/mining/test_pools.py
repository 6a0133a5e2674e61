# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pools: bags through an engine, replays without one, folders; scores on disk; the whole way."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from replay_support import CAMERA, ColourEngine, mapping, records, replay, tree, write_drive

from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.mining import scores as scores_module
from hiseg_ros.mining.labels import PreLabels, label_set
from hiseg_ros.mining.mine import Request, WrittenFrame, mine, write_picks
from hiseg_ros.mining.page import PageWriter
from hiseg_ros.mining.pool import EnginePool, Pool, ReplayPool, open_pool
from hiseg_ros.mining.project import ProjectFolder
from hiseg_ros.mining.scores import FrameScore, FrameScorer, scores_of
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import RgbImage, Segmentation, Wanted

TREE = tree()
MAPPING = mapping(TREE)
LABELS = label_set(MAPPING, TREE)


class CountingEngine(ColourEngine):
    """Counts what it segments, and may be stopped."""

    def __init__(self, stops_after: int | None = None) -> None:
        super().__init__(TREE)
        self.asked, self._stops_after = 0, stops_after

    def segment(self, rgb: RgbImage, wanted: Wanted | None = None) -> Segmentation:
        if self.asked == self._stops_after:
            raise KeyboardInterrupt
        self.asked += 1
        return super().segment(rgb)


class Thumbnail:
    """Stands for a network: the image, very small."""

    identity = 'thumbnail'

    def compute(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        small = cv2.resize(rgb, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        return np.asarray(small / np.linalg.norm(small), np.float32)


def scorer() -> FrameScorer:
    return FrameScorer(TREE, LABELS, PreLabels(MAPPING, TREE))


def pool_of(path: Path, engine: CountingEngine | None = None) -> Pool:
    return open_pool(path, engine or CountingEngine(), 'colours')  # type: ignore[arg-type]


def scored(pool: Pool, cache: Path, every: int = 1) -> list[FrameScore]:
    return scores_of(pool, scorer(), 'labels', cache, every)


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('bag') / 'drive', 12)


@pytest.fixture(scope='module')
def replayed(bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp('replay') / 'out'
    replay(bag, output)
    return output


def test_a_bag_is_scored_frame_by_frame(bag: Path, tmp_path: Path) -> None:
    found = scored(pool_of(bag), tmp_path)
    assert [score.number for score in found] == list(range(12))
    assert found[0].flicker is None
    assert all(score.flicker is not None for score in found[1:])
    assert all(0 < score.entropy < 1 and 0 < score.margin < 1 for score in found)
    sky, road = TREE.node_id('sky'), TREE.node_id('road')
    assert found[0].shares[sky] > found[0].shares[road] > 0.2
    assert sum(found[0].shares.values()) <= 1 + 1e-5


def test_a_replay_gives_the_scores_of_its_bag_without_an_engine(
    bag: Path, replayed: Path, tmp_path: Path
) -> None:
    """Probabilities have eight bits in a replay; flicker is what frames.jsonl says."""
    engine = CountingEngine()
    pool = pool_of(replayed, engine)
    assert isinstance(pool, ReplayPool) and pool.source.count == 12
    found, expected = scored(pool, tmp_path), scored(pool_of(bag), tmp_path)
    assert engine.asked == 0
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.number, ours.time_ns) == (theirs.number, theirs.time_ns)
        assert ours.entropy == pytest.approx(theirs.entropy, abs=0.01)
        assert ours.margin == pytest.approx(theirs.margin, abs=0.01)
        for label_id, share in theirs.shares.items():
            assert ours.shares.get(label_id, 0) == pytest.approx(share, abs=0.02)
    for score, record in zip(found[1:], records(replayed)[1:], strict=True):
        levels = record['stability']['flicker_by_level']
        weights = 2.0 ** -np.arange(len(levels))
        assert score.flicker == pytest.approx(weights @ levels / weights.sum(), abs=1e-6)
        assert score.flicker == pytest.approx(expected[score.number].flicker, abs=1e-6)


def test_only_wanted_frames_of_a_replay_are_decoded(replayed: Path) -> None:
    pool = pool_of(replayed)
    assert [one.frame.number for one in pool.segmented(3, {1, 5, 7})] == [5, 7]
    (frame,) = pool.source.frames(0, {5})
    (segmented,) = pool.segmented(0, {5})
    np.testing.assert_array_equal(frame.rgb, segmented.frame.rgb)
    assert segmented.probabilities is not None
    values = segmented.probabilities.values
    np.testing.assert_allclose(values[1:].max(0), values[1:].max(0).clip(0, 1))
    assert (values[0] == 1).all()


@pytest.mark.parametrize(
    ('omit', 'message'),
    [
        (
            'probabilities',
            r'out has no probabilities \(/segmentation/level_1/probabilities\); exp',
        ),
        ('camera', r'out has no images of its camera \(/camera/image_raw/compressed\); expected'),
    ],
)
def test_a_replay_that_lacks_something_is_refused(
    bag: Path, tmp_path: Path, omit: str, message: str
) -> None:
    replay(bag, tmp_path / 'out', omit=frozenset({omit}))
    with pytest.raises(BagError, match=message):
        pool_of(tmp_path / 'out')


def test_other_faults_of_a_replay_are_said(replayed: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / 'copy'
    shutil.copytree(replayed, copy)
    with pytest.raises(BagError, match=r'has no camera /rear; expected one of /camera/image_raw'):
        ReplayPool(copy, TREE, '/rear')
    (copy / 'frames.jsonl').write_text('{')
    with pytest.raises(BagError, match=r'frames.jsonl cannot be read'):
        ReplayPool(copy, TREE)
    (copy / 'metrics.json').write_text('{}')
    with pytest.raises(BagError, match=r'metrics.json cannot be read'):
        ReplayPool(copy, TREE)
    (copy / 'metrics.json').unlink()
    with pytest.raises(BagError, match=r'copy has no metrics.json; expected a finished one'):
        ReplayPool(copy, TREE)


def test_a_replay_of_another_tree_is_refused(replayed: Path) -> None:
    with pytest.raises(ConfigError, match=r"out has the tree 'test', and the network 'street' in"):
        ReplayPool(replayed, load_taxonomy('street'))


def test_what_is_stopped_goes_on_with_the_same_scores(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores_module, 'FLUSH', 1)
    whole = scored(pool_of(bag), tmp_path / 'other')
    with pytest.raises(KeyboardInterrupt):
        scored(pool_of(bag, CountingEngine(stops_after=7)), tmp_path / 'kept')
    engine = CountingEngine()
    assert scored(pool_of(bag, engine), tmp_path / 'kept') == whole
    assert engine.asked == 12 - 7 + 1  # the last one again, for the flicker of the next
    (path,) = (tmp_path / 'kept').iterdir()
    path.write_bytes(path.read_bytes()[:-9])  # killed in the middle of a line
    assert scored(pool_of(bag), tmp_path / 'kept') == whole
    engine = CountingEngine()
    assert scored(pool_of(bag, engine), tmp_path / 'kept') == whole
    assert engine.asked == 1


def test_every_nth_frame_is_looked_at(bag: Path, tmp_path: Path) -> None:
    found = scored(pool_of(bag), tmp_path, every=5)
    assert [score.number for score in found] == [0, 5, 10]
    assert found[1].flicker is not None  # half a second later
    assert [score.number for score in scored(pool_of(bag), tmp_path, every=5)] == [0, 5, 10]


def test_images_of_a_folder_have_no_flicker_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    (folder / '1.png').write_bytes(b'torn')
    found = scored(pool_of(folder), tmp_path / 'kept')
    assert [(score.name, score.flicker) for score in found] == [('0.png', None), ('2.png', None)]
    for path in folder.iterdir():
        path.write_bytes(b'torn')
    with pytest.raises(ConfigError, match=r'No image of \S*images can be decoded; expected at le'):
        scored(pool_of(folder), tmp_path / 'kept')


def test_scores_of_a_folder_are_not_those_of_the_folder_above(tmp_path: Path) -> None:
    """Both have the same files under other names."""
    below = tmp_path / 'images' / 'day1'
    below.mkdir(parents=True)
    cv2.imwrite(str(below / '0.png'), np.full((16, 16, 3), 90, np.uint8))
    for folder, name in ((below.parent, 'day1/0.png'), (below, '0.png')):
        assert [one.name for one in scored(pool_of(folder), tmp_path / 'cache')] == [name]


@pytest.mark.parametrize('is_replay', [False, True])
def test_the_whole_way_to_project_and_page(
    bag: Path, replayed: Path, tmp_path: Path, is_replay: bool
) -> None:
    """An equal share of two recordings, with the network's labels; the page says why."""
    other = write_drive(tmp_path / 'second', 6)
    pools = [pool_of(replayed if is_replay else bag), pool_of(other)]
    request = Request(pools, 6, TREE, MAPPING, LABELS, 'labels', apart_s=0.2)
    result = mine(request, Thumbnail(), tmp_path / 'kept')
    assert len(result.candidates) == 18
    assert [picked for _, _, picked in result.drives()] == [3, 3]
    assert len(set(result.stems)) == 6
    page, shown = PageWriter(request), list[WrittenFrame]()
    with ProjectFolder(tmp_path / 'worth', LABELS, 6, 'colours') as folder:
        assert write_picks(request, result, folder, shown.append) == 6
    for frame in shown:
        page.add(frame)
        stem = result.stems[frame.number]
        ids = cv2.imread(str(tmp_path / f'worth/labels/{stem}.png'), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(ids, frame.label_ids)
        image = cv2.imread(str(tmp_path / f'worth/images/{stem}.jpg'))[..., ::-1]
        assert np.abs(image.astype(int) - frame.rgb).mean() < 4
    text = page.write(result, tmp_path / 'worth', 'colours').read_text()
    assert text.count('data:image/jpeg') == 12
    assert text.count('<figure>') == 6 and 'second' in text
    assert 'the first' in text and 'script' not in text.replace('without script', '')
    content = json.loads(json.dumps(result.as_json(request, 'colours')))
    assert content['drives'][1] == {'drive': 'second', 'frames': 6, 'picked': 3}
    assert content['picks'][0]['nearest'] is None
    assert {pick['image'] for pick in content['picks']} == {
        path.name for path in (tmp_path / 'worth/images').iterdir()
    }
    assert mine(request, Thumbnail(), tmp_path / 'kept').picks == result.picks


def test_a_bag_without_a_camera_is_refused(bag: Path) -> None:
    with pytest.raises(BagError, match=r'has no topic /rear; expected a topic with'):
        open_pool(bag, CountingEngine(), 'x', '/rear')  # type: ignore[arg-type]
    assert isinstance(open_pool(bag, CountingEngine(), 'x', CAMERA), EnginePool)  # type: ignore[arg-type]
