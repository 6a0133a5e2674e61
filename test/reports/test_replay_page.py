# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of a replay: whole, quiet, small, the same each time, and right in its metrics."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from replay_support import SIZE, TRUTH, mapping, replay, tree, write_drive

from hiseg_ros.bags.bag import read_images
from hiseg_ros.cli.__main__ import main
from hiseg_ros.replay.mapping_facts import mapping_facts, mapping_of
from hiseg_ros.reports.replay_page import drive_images, write_report
from hiseg_ros.reports.replay_page.findings import clock
from hiseg_ros.reports.replay_page.frame_choice import evenly, frame_groups
from hiseg_ros.reports.replay_page.frame_table import SERIES, FrameTable, read_tables
from hiseg_ros.reports.replay_page.page_writer import PAGE, SCRIPTS, STYLES
from hiseg_ros.reports.replay_page.score_tree import Branch, flicker_tree, iou_tree
from hiseg_ros.reports.replay_page.sign_table import cut_out
from hiseg_ros.reports.replay_page.timeline import MAX_PIECES, timeline

pytestmark = pytest.mark.needs('torch')

FRAMES = 12
FACTS = {
    'hiseg_ros': '1.2.3',
    'recordings': [{'name': 'bag', 'files': [{'name': 'bag.mcap', 'bytes': 5, 'sha256': 'ab'}]}],
    'weights': {'name': 'colours', 'file': 'colours.safetensors', 'sha256': 'cd'},
    'device': 'cpu', 'backend': 'eager', 'precision': 'float32',
    'ground_truth': TRUTH, 'mapping': mapping_facts(mapping(tree())), 'omit': [],
}  # fmt: skip


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('drive') / 'bag', FRAMES)


@pytest.fixture(scope='module')
def output(tmp_path_factory: pytest.TempPathFactory, bag: Path) -> Path:
    path = tmp_path_factory.mktemp('replay') / 'out'
    replay(bag, path, truth=TRUTH, facts=FACTS)
    write_report(path)
    return path


class Page(HTMLParser):
    """Checks that tags close in order; keeps texts, addresses, ids and what labels what."""

    VOID = ('meta', 'img', 'input', 'line', 'rect', 'path')

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text('utf-8')
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID or (tag == 'rect' and not self.get_starttag_text()[-2] == '/'):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ['script'] else self.texts).append(data.strip())

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def test_the_page_is_whole_and_keeps_to_itself(output: Path) -> None:
    """Every section and label; its policy allows its own script only, and no address leads out."""
    page = Page(output / 'report.html')
    ids = [str(attributes['id']) for _, attributes in page.tags if 'id' in attributes]
    assert len(ids) == len(set(ids))
    sections = ['summary', 'drive', 'scores', 'tree', 'confusion', 'confidence', 'flicker',
                'signs', 'run']  # fmt: skip
    assert [attributes['id'] for tag, attributes in page.tags if tag == 'section'] == sections
    links = {str(attributes['href']) for tag, attributes in page.tags if tag == 'a'}
    assert links <= {f'#{name}' for name in ids}
    addresses = [str(attributes['src']) for _, attributes in page.tags if 'src' in attributes]
    assert all(one.startswith('data:image/webp;base64,') for one in addresses)
    assert not re.search(r'https?://(?!www\.w3\.org/2000/svg)|url\(|@import', page.html)
    [policy] = [
        str(a['content']) for t, a in page.tags if a.get('http-equiv') == 'Content-Security-Policy'
    ]
    digest = base64.b64encode(hashlib.sha256(page.html.rsplit('<script>', 1)[1].removesuffix(
        '</script>\n</body>\n</html>').encode()).digest()).decode()  # fmt: skip
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    for label in ('road', 'walk', 'sign', 'sky'):
        assert label in page.texts
    assert {path.name for path in PAGE.glob('*.[jc]s*')} == {*SCRIPTS, *STYLES}
    assert not (output / 'unfinished').exists()


def test_the_same_replay_gives_the_same_page(bag: Path, output: Path, tmp_path: Path) -> None:
    """From another folder, which it does not name; and again by `hiseg report`."""
    other = tmp_path / 'elsewhere' / 'out'
    replay(bag, other, truth=TRUTH, facts=FACTS, part_frames=7)
    assert main(['report', str(other)]) == 0
    page = (other / 'report.html').read_bytes()
    # Parts of another length make another bag, yet the page shows the same frames.
    assert page == (output / 'report.html').read_bytes()
    for secret in (str(bag.parent), str(output.parent), str(tmp_path)):
        assert secret.encode() not in page
    assert main(['report', str(other), '--output', str(tmp_path / 'new/page.html')]) == 0
    assert (tmp_path / 'new/page.html').read_bytes() == page
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['page.html']


def test_timing_is_on_the_page_on_request_only(output: Path, tmp_path: Path) -> None:
    """It differs from run to run."""
    assert 'Time and memory' not in (output / 'report.html').read_text('utf-8')
    assert main(['report', str(output), '--timing', '--output', str(tmp_path / 'a.html')]) == 0
    page = Page(tmp_path / 'a.html')
    assert 'Time and memory' in page.texts and 'segment' in page.texts


def test_images_show_what_the_bag_holds(output: Path) -> None:
    """Exact colours of labels and truth, wrong pixels where the two differ."""
    taxonomy = tree()
    page = Page(output / 'report.html')
    [camera] = page.data['cameras']
    assert len(camera['images']) == FRAMES
    labels = dict(read_images(output / 'replay.mcap', '/segmentation/labels'))
    truths = dict(read_images(output / 'replay.mcap', TRUTH))
    counted = mapping(taxonomy).label_id_of_node_id(taxonomy)
    for image in camera['images']:
        stamp = int(image['stamp_ns'])
        layers = {name: pixels(uri) for name, uri in image['layers'].items()}
        assert set(layers) == {'image', 'prediction', 'truth', 'wrong', 'confidence'}
        np.testing.assert_array_equal(layers['prediction'], taxonomy.palette[labels[stamp]])
        np.testing.assert_array_equal(layers['truth'], taxonomy.palette[truths[stamp]])
        wrong = counted[labels[stamp]] != truths[stamp]
        np.testing.assert_array_equal(layers['wrong'][..., 3] > 0, wrong)
        assert image['values']['accuracy'] == pytest.approx(1 - wrong.mean(), abs=1e-4)
        assert image['size'] == list(SIZE)
        for kind in ('prediction', 'truth'):
            assert sum(share for _, share in image['legend'][kind]) == pytest.approx(1, abs=0.02)


def pixels(uri: str) -> np.ndarray:
    """Return a data URI as RGB or RGBA."""
    data = base64.b64decode(uri.removeprefix('data:image/webp;base64,'))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(image, code))


def test_signs_are_cut_out_with_their_votes(output: Path) -> None:
    """One row each, with an image of the sign's own colour."""
    page = Page(output / 'report.html')
    metrics = json.loads((output / 'metrics.json').read_text())
    tracks = metrics['cameras'][0]['sign_tracks']
    crops = [attributes for tag, attributes in page.tags if tag == 'img']
    assert len(crops) == len(tracks)
    crop = pixels(str(crops[0]['src']))
    middle = crop[crop.shape[0] // 2, crop.shape[1] // 2].astype(int)
    color = tree().palette[tree().node_id('limit_30')].astype(int)
    assert np.abs(middle - color).max() < 30
    image = np.zeros((50, 60, 3), np.uint8)
    assert max(cut_out(image, (0, 0, 8, 8)).shape) >= 56
    assert max(cut_out(image, (45, 55, 5, 5)).shape) >= 56


def test_the_tree_folds_from_groups_to_labels(output: Path) -> None:
    """Each group's metric is that of its level, each label's that of the labels."""
    taxonomy = tree()
    metrics = json.loads((output / 'metrics.json').read_text())
    scores = metrics['scores']
    top = iou_tree(scores, mapping(taxonomy), taxonomy)
    assert [branch.name for branch in top] == ['ground', 'sign', 'sky']
    assert top[0].values[0] == scores['nodes']['by_level'][0]['iou']['ground']
    assert [branch.name for branch in top[0].children] == ['road', 'walk']
    assert top[0].children[1].values == [scores[w]['iou']['walk'] for w in ('nodes', 'summed')]
    assert top[0].weight == sum(branch.weight for branch in top[0].children)
    stability = metrics['cameras'][0]['stability']
    branches = flicker_tree(stability, taxonomy)
    assert sum(branch.weight for branch in branches) <= stability['steady_pixels']
    changed = sum((branch.values[0] or 0) * branch.weight for branch in branches)
    assert changed == pytest.approx(stability['flicker'] * stability['steady_pixels'], abs=2)
    assert all(len(branch.children) != 1 for branch in all_of(branches))


def all_of(branches: Any) -> list[Branch]:
    """Return branches and all below."""
    return [one for branch in branches for one in (branch, *all_of(branch.children))]


def test_without_truth_the_timeline_has_confidence_and_flicker(bag: Path, tmp_path: Path) -> None:
    """And the frames that stand out are the least sure ones."""
    replay(bag, tmp_path / 'out')
    page = Page(write_report(tmp_path / 'out'))
    [camera] = page.data['cameras']
    assert set(camera['series']) == {'confidence', 'low_share', 'flicker'}
    assert [group['title'] for group in camera['groups']] == [
        'Least sure', 'Surest', 'Most flicker',
    ]  # fmt: skip
    assert page.data['confusions'] == [] and 'Scores' not in page.texts
    assert 'truth' not in camera['images'][0]['layers']


def test_several_cameras_omitted_images_and_damage_are_shown(tmp_path: Path) -> None:
    """Each camera has its own metrics; what was left out is missing, not invented."""
    bag = write_drive(tmp_path / 'bag', 8)
    file = bag / 'bag.mcap'
    data = bytearray(file.read_bytes())
    start = data.find(b'\xff\xd8\xff', len(data) // 2)
    data[start : start + 3] = b'\0\0\0'  # a JPEG that is none any more
    file.write_bytes(data)
    replay(bag, tmp_path / 'out', topics=('/camera/image_raw/compressed', TRUTH),
           omit=frozenset(['camera']))  # fmt: skip
    page = Page(write_report(tmp_path / 'out'))
    first, second = page.data['cameras']
    assert len(first['unreadable']) == 1 and second['topic'] == TRUTH
    assert len(first['images']) == 7
    assert set(first['images'][0]['layers']) == {'prediction', 'confidence'}
    assert 'Damage' in page.texts and 'bag.mcap' in page.texts
    assert [a['value'] for _, a in page.tags if a.get('name') == 'camera'] == ['0', '1']


def test_names_are_text_and_never_markup(bag: Path, tmp_path: Path) -> None:
    """A recording or weights may be named anything."""
    name = '</script><script>alert(1)</script>"&'
    facts = {**FACTS, 'recordings': [{'name': name, 'files': []}]}
    replay(bag, tmp_path / 'out', truth=TRUTH, facts=facts)
    file = tmp_path / 'out/metrics.json'
    metrics = json.loads(file.read_text())
    stop = tree().node_id('stop')
    metrics['taxonomy']['nodes'][stop]['name'] = name
    file.write_text(json.dumps(metrics))
    page = Page(write_report(tmp_path / 'out'))
    assert len(page.scripts) == 2
    assert any(name in text for text in page.texts)
    assert page.data['nodes'][stop][0] == name


def test_images_keep_within_their_room(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that stand out come first."""
    whole = Page(output / 'report.html').data['cameras'][0]
    sizes = [sum(map(len, image['layers'].values())) for image in whole['images']]
    monkeypatch.setattr(drive_images, 'MAX_BYTES', sum(sizes) // 2)
    some = Page(write_report(output, tmp_path / 'small.html')).data['cameras'][0]
    kept = [sum(map(len, image['layers'].values())) for image in some['images']]
    assert 0 < len(kept) < FRAMES and sum(kept) <= sum(sizes) // 2
    assert all(group['images'] for group in some['groups'])


def test_what_is_no_finished_replay_is_refused_in_one_line(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unfinished, of another format, without its bag, damaged."""
    copy = tmp_path / 'out'
    shutil.copytree(output, copy)
    cases = [
        ('frames.jsonl', '{"frame": 0', 'begin anew with --restart'),
        ('metrics.json', '{"format": 99}', 'has the format 99'),
        ('metrics.json', 'nothing', 'cannot be read'),
        ('metrics.json', None, 'finished `hiseg replay`'),
    ]
    (copy / 'replay.mcap/replay_1.mcap').write_bytes(b'nothing')
    assert main(['report', str(copy)]) == 2
    assert 'replay.mcap cannot be read' in capsys.readouterr().err
    for name, text, words in cases:
        if text is None:
            (copy / name).unlink()
        else:
            (copy / name).write_text(text)
        assert main(['report', str(copy)]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count('\n') == 1
    shutil.copytree(output, tmp_path / 'other')
    shutil.rmtree(tmp_path / 'other/replay.mcap')
    assert main(['report', str(tmp_path / 'other')]) == 2
    assert 'has no replay.mcap' in capsys.readouterr().err


def test_a_replay_of_an_earlier_version_has_no_truth_to_paint(
    output: Path, tmp_path: Path
) -> None:
    """It names its mapping, but not the labels; all else is there."""
    shutil.copytree(output, tmp_path / 'out')
    file = tmp_path / 'out/metrics.json'
    metrics = json.loads(file.read_text())
    metrics['run']['mapping'] = {'name': 'drawn', 'sha256': 'ab'}
    file.write_text(json.dumps(metrics))
    page = Page(write_report(tmp_path / 'out'))
    assert 'truth' not in page.data['cameras'][0]['images'][0]['layers']
    assert 'Scores' in page.texts and 'IoU in the tree' not in page.texts


def test_labels_come_back_from_the_facts_as_they_were() -> None:
    """By way of JSON."""
    known = mapping(tree())
    assert mapping_of(json.loads(json.dumps(mapping_facts(known)))) == known
    kinds = replace(known, counted_as=((1, known.labels[0].label_id),))
    assert mapping_of(json.loads(json.dumps(mapping_facts(kinds)))) == kinds
    assert mapping_facts(kinds)['sha256'] != mapping_facts(known)['sha256']


def table(miou: np.ndarray, step_s: float = 0.1) -> FrameTable:
    """Return a camera's frames with some mIoU and nothing else."""
    numbers = np.arange(len(miou))
    nothing = np.full(len(miou), np.nan)
    values = {name: miou if name == 'miou' else nothing for name in SERIES}
    times = (numbers * step_s * 1e9).astype(np.int64)
    return FrameTable(numbers, times, times, values)


@pytest.mark.parametrize('seed', range(5))
def test_worst_and_best_frames_are_those_and_lie_apart(seed: int) -> None:
    """The very worst is always first; no two show the same second."""
    rng = np.random.default_rng(seed)
    miou = rng.random(400)
    miou[rng.random(400) < 0.2] = np.nan
    worst, best, flicker = frame_groups(table(miou), 6)
    assert worst.rows[0] == np.nanargmin(miou) and best.rows[0] == np.nanargmax(miou)
    for group in (worst, best):
        values = [miou[row] for row in group.rows]
        assert values == sorted(values, reverse=group is best) and len(values) == 6
        assert np.diff(sorted(group.rows)).min() >= 10
    assert flicker.rows == ()
    rest = [v for row, v in enumerate(miou) if min(abs(row - r) for r in worst.rows) >= 10]
    assert np.nanmin(rest) >= miou[worst.rows[-1]]


@pytest.mark.parametrize('count', [1, 2, 5])
def test_few_frames_make_few_images(count: int) -> None:
    """Never one twice in a group."""
    groups = frame_groups(table(np.linspace(0, 1, count)), 6)
    assert all(len(set(group.rows)) == len(group.rows) <= count for group in groups)
    assert evenly(table(np.linspace(0, 1, count)), 10) == tuple(range(count))


def test_a_long_drive_is_drawn_by_pieces() -> None:
    """Mean, smallest and largest of each; a pause takes no room and breaks the curve."""
    miou = np.random.default_rng(0).random(4500)
    miou[:9] = np.nan
    frames = table(miou, 1 / 15)
    frames.time_ns[3000:] += 3600 * 10**9
    frames.stamp_ns[7] = -1
    found = timeline(frames)
    assert len(found['first']) == MAX_PIECES + 1 and found['first'][-1] == 4500
    assert found['time_s'][-1] == pytest.approx(300, abs=0.1)
    assert found['pause'] == [1000] and found['unreadable'] == [2]
    series = found['series']['miou']
    assert set(found['series']) == {'miou'} and series['mean'][:3] == [None] * 3
    for piece in (3, 700, 1499):
        values = miou[found['first'][piece] : found['first'][piece + 1]]
        assert series['mean'][piece] == pytest.approx(values.mean(), abs=1e-4)
        assert series['low'][piece] == pytest.approx(values.min(), abs=1e-4)
        assert series['high'][piece] == pytest.approx(values.max(), abs=1e-4)
    assert found['to'][0] + 1 == found['from'][1] and found['to'][-1] == 4499
    assert len(json.dumps(found)) < 100_000


def test_tables_hold_every_line_by_camera(output: Path) -> None:
    """As frames.jsonl says."""
    [camera] = read_tables(output / 'frames.jsonl', 1)
    rows = [json.loads(line) for line in (output / 'frames.jsonl').read_text().splitlines()]
    assert camera.frame.tolist() == list(range(FRAMES))
    assert camera.values['miou'].tolist() == [row['scores']['nodes']['miou'] for row in rows]
    assert np.isnan(camera.values['flicker'][0]) and camera.has_truth
    assert camera.drive_time_s()[-1] == pytest.approx((FRAMES - 1) / 10)


def test_drive_time_reads_as_a_clock() -> None:
    """Minutes, seconds and tenths, rounded."""
    assert [clock(s) for s in (0, 5.94, 59.96, 125.3)] == ['0:00.0', '0:05.9', '1:00.0', '2:05.3']
