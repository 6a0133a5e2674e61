# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Sources, features on disk, exact search, and the distance of two domains; without torch."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.footage import EPOCH_NS, write_camera_bag
from hiseg_ros.bags.footage import Frame as DriveFrame
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.retrieval import sources as sources_module
from hiseg_ros.retrieval import store
from hiseg_ros.retrieval.domains import LEAST, compare
from hiseg_ros.retrieval.page import write_page
from hiseg_ros.retrieval.retrieve import Request, retrieve
from hiseg_ros.retrieval.search import Collection
from hiseg_ros.retrieval.sources import BagSource, FileSource, open_source
from hiseg_ros.retrieval.store import NO_TIME, Features, features_of


class MeanColour:
    """Stands for a network: the mean colour and its spread; counts what it is asked."""

    identity = 'mean colour'

    def __init__(self, fails_after: int | None = None) -> None:
        """Count from zero."""
        self.asked, self._fails_after = 0, fails_after

    def compute(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a vector of length 1."""
        if self.asked == self._fails_after:
            raise KeyboardInterrupt
        self.asked += 1
        vector = np.array([*rgb.mean((0, 1)), 40.0, *rgb.std((0, 1))], np.float32)
        return vector / np.linalg.norm(vector)


def coloured(red: int, green: int, blue: int) -> NDArray[np.uint8]:
    return np.full((24, 32, 3), (red, green, blue), np.uint8)


def write_folder(folder: Path, colours: list[tuple[int, int, int]]) -> Path:
    """Write one PNG of each colour, in folders below."""
    for number, (red, green, blue) in enumerate(colours):
        path = folder / f'day{number % 2}/{number:03d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), coloured(blue, green, red))
    return folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Return a bag of 20 frames at 10 Hz that turns from red to blue."""
    frames = [DriveFrame(coloured(200 - 9 * n, 20, 20 + 9 * n)) for n in range(20)]
    write_camera_bag(tmp_path / 'drive', frames, 10.0)
    return tmp_path / 'drive'


def write_wide_bag(path: Path, largest: list[int], *, as_png: bool = False) -> Path:
    """Write a bag of the same 16-bit grey image, but for one sample, with these values."""
    types = node_types()
    kind = f'sensor_msgs/msg/{"CompressedImage" if as_png else "Image"}'
    topic = '/camera/image_raw/compressed' if as_png else '/camera/image_raw'
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, kind, typestore=types)
        for number, value in enumerate(largest):
            samples = np.random.default_rng(0).integers(200, 900, (48, 64)).astype('<u2')
            samples[0, 0] = value
            stamp = EPOCH_NS + number * 10**8
            header = messages.header(stamp, 'camera')
            if as_png:
                data = cv2.imencode('.png', samples)[1].reshape(-1)
                message = types.types[kind](header=header, format='png', data=data)
            else:
                message = types.types[kind](
                    header=header, height=48, width=64, encoding='mono16', is_bigendian=0,
                    step=128, data=samples.view(np.uint8).reshape(-1),
                )  # fmt: skip
            writer.write(connection, stamp, types.serialize_cdr(message, kind))
    return path


def random_features(path: str, vectors: NDArray[np.float32]) -> Features:
    count = len(vectors)
    return Features(
        Path(path),
        vectors,
        np.arange(count),
        tuple(map(str, range(count))),
        np.full(count, NO_TIME, np.int64),
    )


# Where images come from.


def test_a_folder_a_file_and_a_bag_give_their_images_in_order(bag: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'images', [(10, 0, 0), (20, 0, 0), (30, 0, 0)])
    (folder / 'notes.txt').write_text('no image')
    names = [frame.name for frame in open_source(folder).frames()]
    assert names == ['day0/000.png', 'day0/002.png', 'day1/001.png']
    (one,) = open_source(folder / 'day1/001.png').frames()
    assert (one.name, one.number, one.time_ns) == ('001.png', 0, None)
    assert one.rgb is not None and one.rgb[0, 0].tolist() == [20, 0, 0]
    for path in (bag, next(bag.glob('*.mcap'))):
        source = open_source(path)
        assert isinstance(source, BagSource)
        assert source.count == 20
        assert [frame.number for frame in source.frames(3, {1, 5, 7})] == [5, 7]
        (frame,) = source.frames(0, {5})
        assert frame.time_ns == EPOCH_NS + 500_000_000
        assert frame.name == '1600000000.500 s'


def test_what_has_no_images_is_refused(bag: Path, tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('no bag')
    with pytest.raises(ConfigError, match=r'empty has no image; expected a bag, an image, or a'):
        open_source(tmp_path / 'empty')
    with pytest.raises(ConfigError, match=r'nowhere does not exist; expected an image, a folder'):
        open_source(tmp_path / 'nowhere')
    with pytest.raises(BagError, match=r'notes.txt is no bag file'):
        open_source(tmp_path / 'notes.txt')
    with pytest.raises(BagError, match=r'has no topic /rear; expected a topic'):
        open_source(bag, '/rear')


def test_what_is_readable_of_a_damaged_bag_is_searched(bag: Path, tmp_path: Path) -> None:
    """The rest is said, now and when the features are on disk."""
    path = next(bag.glob('*.mcap'))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    network = MeanColour()
    for _ in range(2):
        source = open_source(bag)
        found = features_of(source, network, tmp_path / 'kept')
        assert 0 < len(found) < 20
        assert any('drive' in damage for damage in source.damages)
    assert network.asked == len(found)


@pytest.mark.parametrize('as_png', [False, True])
def test_the_brightest_sample_of_a_frame_does_not_change_its_brightness(
    tmp_path: Path, as_png: bool
) -> None:
    """All frames have the bit depth of the camera, whichever of them are read."""
    bag = write_wide_bag(tmp_path / 'wide', [1000, 3000, 1000, 3000], as_png=as_png)
    frames = {frame.number: frame.rgb for frame in open_source(bag).frames()}
    means = {round(float(rgb[1:].mean()), 3) for rgb in frames.values() if rgb is not None}
    assert len(frames) == 4 and len(means) == 1 and 30 < means.pop() < 40
    for first, wanted in ((0, {0}), (1, {1}), (2, None)):
        for frame in open_source(bag).frames(first, wanted):
            np.testing.assert_array_equal(frame.rgb, frames[frame.number])


def test_only_a_camera_of_16_bits_is_read_twice_and_once_for_all(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    def counted(recordings: list[Recording], topics: list[str]) -> MessageStream:
        passes.append(topics)
        return MessageStream(recordings, topics)

    wide = open_source(write_wide_bag(tmp_path / 'wide', [1000, 3000]))
    narrow = open_source(bag)
    monkeypatch.setattr(sources_module, 'MessageStream', counted)
    for source, expected in ((narrow, 1), (wide, 2), (wide, 1)):
        passes.clear()
        assert len(list(source.frames())) == source.count
        assert len(passes) == expected


# Features on disk.


def test_each_image_is_looked_at_once(bag: Path, tmp_path: Path) -> None:
    network, source = MeanColour(), open_source(bag)
    first = features_of(source, network, tmp_path / 'kept')
    assert (network.asked, len(first), first.damaged) == (20, 20, 0)
    again = features_of(source, network, tmp_path / 'kept')
    assert network.asked == 20
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert again.names == first.names
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1, atol=1e-3)
    third = features_of(source, network, tmp_path / 'kept', every=3)
    assert third.numbers.tolist() == [0, 3, 6, 9, 12, 15, 18]
    np.testing.assert_array_equal(third.vectors, first.vectors[::3])
    network.identity = 'another network'
    features_of(source, network, tmp_path / 'kept')
    assert network.asked == 20 + 7 + 20


def test_whoever_is_stopped_goes_on(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, 'PART', 6)
    source, kept = open_source(bag), tmp_path / 'kept'
    whole = features_of(source, MeanColour(), tmp_path / 'other')
    with pytest.raises(KeyboardInterrupt):
        features_of(source, MeanColour(fails_after=15), kept)
    parts = sorted(path.name for path in kept.rglob('*') if path.is_file())
    assert parts == ['000000.npz', '000001.npz']
    network, seen = MeanColour(), []
    resumed = features_of(source, network, kept, on_frame=lambda: seen.append(1))
    assert (network.asked, len(seen)) == (8, 20)
    np.testing.assert_array_equal(resumed.vectors, whole.vectors)
    assert resumed.numbers.tolist() == list(range(20))
    # A part that was cut off, and those behind it.
    path = next(kept.rglob('000001.npz'))
    path.write_bytes(path.read_bytes()[:100])
    network = MeanColour()
    np.testing.assert_array_equal(features_of(source, network, kept).vectors, whole.vectors)
    assert network.asked == 14


def test_changed_images_are_looked_at_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'images', [(200, 0, 0), (0, 200, 0)])
    network = MeanColour()
    before = features_of(FileSource(folder), network, tmp_path / 'kept')
    cv2.imwrite(str(folder / 'day0/000.png'), coloured(0, 0, 99)[:20])
    after = features_of(FileSource(folder), network, tmp_path / 'kept')
    assert network.asked == 4
    assert not np.allclose(before.vectors[0], after.vectors[0])


def test_a_folder_with_the_files_of_another_has_names_of_its_own(tmp_path: Path) -> None:
    """All images of one folder lie in the one below: a query does not find itself in either."""
    folder = tmp_path / 'images'
    below = folder / 'day1'
    below.mkdir(parents=True)
    for number in range(4):
        image = coloured(60 * number, 20, 200 - 60 * number)
        cv2.imwrite(str(below / f'{number}.png'), image)
    for searched, start in ((folder, 'day1/'), (below, '')):
        features = features_of(FileSource(searched), MeanColour(), tmp_path / 'kept')
        assert features.names == tuple(f'{start}{number}.png' for number in range(4))
        assert features.place(2)[0] == (below / '2.png').resolve()
        request = Request(open_source(below / '2.png'), [open_source(searched)], 4)
        result = retrieve(request, MeanColour(), 'colours', tmp_path / 'kept')
        found = {match.name for match in result.found[0].matches}
        assert found == {f'{start}{number}.png' for number in (0, 1, 3)}


def test_damaged_images_are_counted_and_left_out(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'images', [(200, 0, 0), (0, 200, 0), (0, 0, 200)])
    path = folder / 'day1/001.png'
    path.write_bytes(path.read_bytes()[:60])
    found = features_of(FileSource(folder), MeanColour(), tmp_path / 'kept')
    assert found.names == ('day0/000.png', 'day0/002.png')
    assert (found.damaged, found.numbers.tolist()) == (1, [0, 1])
    again = features_of(FileSource(folder), MeanColour(), tmp_path / 'kept')
    assert again.damaged == 1
    for rest in (folder / 'day0').iterdir():
        rest.write_bytes(b'none')
    with pytest.raises(ConfigError, match=r'No image of .* can be decoded \(3 are damaged\)'):
        features_of(FileSource(folder), MeanColour(), tmp_path / 'kept')


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'images', [(200, 0, 0)])
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match=r'Features cannot be written to .*file'):
        features_of(FileSource(folder), MeanColour(), tmp_path / 'file')


# Search.


def test_the_search_is_exact(tmp_path: Path) -> None:
    """The order of all cosines around the mean, computed one by one."""
    rng = np.random.default_rng(0)
    sets = [rng.normal(3, 1, (count, 16)).astype(np.float32) for count in (40, 25)]
    collection = Collection(
        [random_features(name, one) for name, one in zip('ab', sets, strict=True)]
    )
    every = np.concatenate(sets)
    mean, query = every.mean(0), rng.normal(3, 1, 16).astype(np.float32)
    expected = [
        float(
            (one - mean)
            @ (query - mean)
            / np.linalg.norm(one - mean)
            / np.linalg.norm(query - mean)
        )
        for one in every
    ]
    found = collection.nearest(query, 65)
    assert [match.similarity for match in found] == pytest.approx(
        sorted(expected, reverse=True), abs=1e-5
    )
    order = [match.number + (40 if match.source else 0) for match in found]
    assert order == np.argsort(-np.array(expected), kind='stable').tolist()
    assert collection.nearest(query, 3) == found[:3]


def test_the_query_itself_and_its_neighbours_in_time_are_no_finds(
    bag: Path, tmp_path: Path
) -> None:
    features = features_of(open_source(bag), MeanColour(), tmp_path / 'kept')
    collection, query = Collection([features]), features.vectors[10]
    assert collection.nearest(query, 1)[0].number == 10
    near = collection.nearest(query, 2, without=features.place(10))
    assert {match.number for match in near} == {9, 11}
    apart = collection.nearest(query, 20, apart_s=0.5, without=features.place(10))
    times = sorted(match.time_ns or 0 for match in apart)
    assert len(apart) >= 3
    assert min(np.diff(times)) >= 0.5e9


def test_a_hundred_thousand_images_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100_000, 432)).astype(np.float32)
    collection = Collection([random_features('a', vectors)])
    seconds = []
    for place in (17, 70_000, 99_999):
        start = time.perf_counter()
        assert collection.nearest(vectors[place], 10)[0].number == place
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1


# Domains.


def test_domains_that_are_one_and_domains_that_are_apart() -> None:
    rng = np.random.default_rng(0)
    one, same = (rng.normal(size=(120, 8)).astype(np.float32) for _ in range(2))
    found = compare(one, same)
    assert found.mixing == pytest.approx(1, abs=0.12)
    assert found.a_distance < 0.4
    assert (found.images, found.neighbours) == ((120, 120), 10)
    apart = compare(one, same + 9)
    assert (apart.mixing, apart.a_distance) == (0, 2)
    between = compare(one, same + np.float32(0.6))
    assert found.mixing > between.mixing > apart.mixing
    assert found.a_distance < between.a_distance < apart.a_distance


def test_sets_of_other_sizes_are_compared_by_chance() -> None:
    """Four times as many of one: still 1 where nothing tells them apart."""
    rng = np.random.default_rng(1)
    few, many = (rng.normal(size=(count, 8)).astype(np.float32) for count in (40, 160))
    found = compare(few, many)
    assert found.mixing == pytest.approx(1, abs=0.15)
    assert found.a_distance < 0.6
    back = compare(many, few)
    assert back.mixing == pytest.approx(found.mixing)
    large = compare(rng.normal(size=(1000, 8)).astype(np.float32), many)
    assert large.images == (200, 160)


def test_too_few_images_are_no_domain() -> None:
    vectors = np.eye(LEAST, dtype=np.float32)
    with pytest.raises(
        ConfigError, match=rf'have {LEAST} and 9 images; expected at least {LEAST}'
    ):
        compare(vectors, vectors[:9])


# All of it.


def test_a_retrieval_finds_its_colours_and_says_how_far_the_domains_are(
    bag: Path, tmp_path: Path
) -> None:
    reds = write_folder(tmp_path / 'reds', [(180 + n, 20, 30) for n in range(12)])
    greens = write_folder(tmp_path / 'greens', [(20, 180 + n, 30) for n in range(12)])
    request = Request(open_source(bag), [open_source(reds), open_source(greens)], count=3)
    result = retrieve(request, MeanColour(), 'colours', tmp_path / 'kept')
    assert [found.number for found in result.found] == [0, 5, 10, 15]
    assert all(match.source == 0 for match in result.found[0].matches)
    assert result.images == 24
    assert result.distance is not None
    assert result.distance.images == (20, 24)
    page = write_page(tmp_path / 'out', request, [result]).read_text()
    assert page.count('data:image/jpeg;base64,') == 4 + 4 * 3
    assert 'proxy A-distance' in page and '<script' not in page
    facts = result.as_json(request)
    assert facts['queries'][0]['nearest'][0]['source'] == str(reds)
    assert facts['domains']['images'] == [20, 24]


def test_a_query_may_be_searched_beside_another_domain(bag: Path, tmp_path: Path) -> None:
    """Images of both domains are found; the distance is that to the other one."""
    blues = write_folder(tmp_path / 'blues', [(20, 20, 170 + n) for n in range(12)])
    request = Request(open_source(bag), [open_source(bag), open_source(blues)], 16, apart_s=0)
    result = retrieve(request, MeanColour(), 'colours', tmp_path / 'kept')
    sources = {match.source for found in result.found for match in found.matches}
    assert sources == {0, 1}
    assert result.distance is not None
    assert result.distance.images == (20, 12)


def test_one_domain_and_few_images_have_no_distance(bag: Path, tmp_path: Path) -> None:
    image = tmp_path / 'one.png'
    cv2.imwrite(str(image), coloured(20, 20, 190))
    source = open_source(bag)
    for query, reason in (
        (source, 'nothing but the query'),
        (open_source(image), '1 and 20 images'),
    ):
        request = Request(query, [source], count=2, apart_s=0)
        result = retrieve(request, MeanColour(), 'colours', tmp_path / 'kept')
        assert result.distance is None
        assert result.no_distance.startswith(reason)
        assert reason in write_page(tmp_path / 'out', request, [result]).read_text()
        assert result.as_json(request)['domains'] is None
    with pytest.raises(ConfigError, match=r'one.png is the only image that is searched'):
        retrieve(
            Request(open_source(image), [open_source(image)]), MeanColour(), 'm', tmp_path / 'kept'
        )
