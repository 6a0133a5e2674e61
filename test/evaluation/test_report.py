# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page: complete, well formed, quiet on the network; and the images kept for it."""

from __future__ import annotations

import base64
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.album import PixelAlbum, label_color, paint_regions
from hiseg_ros.evaluation.best_and_worst import WIDTH, BestAndWorst, jpeg_uri
from hiseg_ros.evaluation.boundary import BoundaryScores
from hiseg_ros.evaluation.common import common_classes, common_summary
from hiseg_ros.evaluation.confusion import confusion_counts, label_ids_of_nodes
from hiseg_ros.evaluation.evaluate import PixelImage
from hiseg_ros.evaluation.four_figures import of_splits
from hiseg_ros.evaluation.pixels import NodeScores, PixelScores
from hiseg_ros.evaluation.report import Report, heat_map, percent, render_report, write_report
from hiseg_ros.evaluation.sign_scores import SignScores
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.evaluation.tables import extra_tables
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities, SubclassMask

VOID = {'meta', 'img', 'input', 'rect', 'path'}


class Page(HTMLParser):
    """Counts tags and checks that they close in order."""

    def __init__(self, text: str) -> None:
        """Parse a page."""
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.ids: Counter[str] = Counter()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        self.tags[tag] += 1
        self.addresses += [v or '' for k, v in attrs if k in ('src', 'href', 'data', 'action')]
        self.ids.update(v or '' for k, v in attrs if k == 'id')
        if tag not in VOID or (tag == 'rect'):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count a tag that closes itself."""
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.texts.append(data.strip())


def pixel_scores(taxonomy: Taxonomy, mapping: Mapping) -> PixelScores:
    """Return scores of random decisions."""
    rng = np.random.default_rng(0)
    leaves = rng.dirichlet(np.full(len(taxonomy.leaves), 0.05), (6, 8)).reshape(48, -1).T
    values = (taxonomy.leaf_matrix() @ leaves).reshape(-1, 6, 8).astype(np.float32)
    ids = [label.label_id for label in mapping.labels]
    scores = PixelScores(mapping, taxonomy)
    truth = rng.choice(ids, (24, 32)).astype(np.uint8)
    nodes = rng.integers(0, len(taxonomy), (24, 32)).astype(np.uint8)
    scores.add(truth, nodes, NodeProbabilities(values, (24, 32)))
    return scores


@pytest.mark.needs('torch')
@pytest.mark.parametrize('name', ['camvid', 'vistas'])
def test_the_page_of_dense_labels_is_whole_and_asks_the_network_for_nothing(name: str) -> None:
    """Every label, every level, the matrix, the diagram; only data in addresses."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping(name, taxonomy)
    scores = pixel_scores(taxonomy, mapping).summary()
    image = np.zeros((20, 30, 3), np.uint8)
    book = BestAndWorst()
    book.add('one', 0.25, lambda: (image, image, image))
    html = render_report(
        Report('weights on data', {'images': '1'}, scores, {}, book.worst(), book.best())
    )
    page = Page(html)
    count = len(mapping.evaluated_labels)
    assert page.tags['details'] == taxonomy.depth + 1
    assert page.tags['svg'] == 1
    assert page.tags['script'] == page.tags['link'] == 0
    assert page.tags['td'] > count * (count + 1)
    assert page.addresses
    assert all(address.startswith('data:image/jpeg;base64,') for address in page.addresses)
    assert not re.search(r'https?://|url\(|@import', html)
    assert max(page.ids.values()) == 1
    for label in mapping.evaluated_labels:
        assert page.texts.count(label.name) >= 3
    assert f'{100 * scores["summed"]["miou"]:.1f}' in html
    assert len(html) < 2_000_000


def test_the_page_of_signs_has_every_size_and_type(small_taxonomy: Taxonomy) -> None:
    """Of a mapping with two types, one never seen."""
    ids = [small_taxonomy.node_id(name) for name in ('stop', 'limit_30')]
    mapping = Mapping('test', tuple(Label(i, f'type{i}', (n,)) for i, n in enumerate(ids)), ())
    scores = SignScores(mapping, small_taxonomy)
    mask = SubclassMask(
        ids[0], 4, 0.9, ((ids[0], 0.9),), (0, 0, 30, 30), np.ones((30, 30), bool), 900
    )
    labels = np.zeros((40, 40), np.uint8)
    labels[:30, :30] = ids[0]
    scores.add([TrueSign(ids[1], 0, 0, np.ones((30, 30), bool))], labels, [mask])
    page = Page(render_report(Report('signs', {}, scores.summary())))
    for text in ('below 24 px', '64 px and more', 'type0', 'type1', 'missed', 'limit_30'):
        assert text in page.texts, text
    assert '–' in page.texts


def test_the_page_of_a_recording_has_one_decision_only(small_taxonomy: Taxonomy) -> None:
    """Its scores are not nested and have no calibration."""
    mapping = Mapping('test', (Label(0, 'way', (small_taxonomy.node_id('road'),)),), ())
    scores = NodeScores(mapping, small_taxonomy)
    scores.add(np.zeros((2, 2), np.uint8), np.full((2, 2), 2, np.uint8))
    data = {'frames': 1, **scores.summary(), 'hierarchy': scores.hierarchy()}
    page = Page(render_report(Report('drive', {}, data)))
    assert 'way' in page.texts
    assert page.tags['svg'] == 0


def test_the_page_shows_boundaries_common_classes_and_a_second_split() -> None:
    """Each with its labels; the page stays whole, and ids stay unique."""
    taxonomy = load_taxonomy('street')
    sets = [load_mapping(name, taxonomy) for name in ('camvid', 'cityscapes_trainids')]
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 11, (12, 16)).astype(np.uint8)
    nodes = rng.integers(0, len(taxonomy), (12, 16)).astype(np.uint8)
    scores, boundary = NodeScores(sets[0], taxonomy), BoundaryScores(sets[0])
    scores.add(truth, nodes)
    boundary.add(truth, label_ids_of_nodes(nodes, sets[0], taxonomy))
    data = scores.summary()
    extra = {
        'boundary': boundary.summary(),
        'common': common_summary(sets, common_classes(sets), confusion_counts(data)),
        'four_figures': of_splits(dict.fromkeys(('val', 'train'), {'images': 1, 'summed': data})),
    }
    page = Page(render_report(Report('more', {}, {**data, **extra})))
    for text in ('F, 3 px', 'IoU within 5 px', 'Confusion on train', 'Common classes', 'train'):
        assert text in page.texts, text
    assert 'bicycle + motorcycle + rider' not in page.texts
    assert 'rider + motorcycle + bicycle' in page.texts
    assert max(page.ids.values()) == 1
    f = extra['boundary']['widths']['3 px']['f']
    assert percent(f) in page.texts
    text = extra_tables(extra)
    assert f'{percent(f)}' in text
    assert f'mean over {len(extra["common"]["classes"])} of' in text
    assert extra_tables(data) == ''


@pytest.mark.needs('torch')
def test_names_are_text_and_never_markup(small_taxonomy: Taxonomy) -> None:
    """A label or a folder may be named anything."""
    name = '<script>alert(1)</script>"&'
    mapping = Mapping('test', (Label(0, name, (small_taxonomy.node_id('road'),)),), ())
    scores = pixel_scores(small_taxonomy, mapping).summary()
    page = Page(render_report(Report(name, {'root': name}, scores, {name: '#ffffff'})))
    assert page.tags['script'] == 0
    assert any(name in text for text in page.texts)


def test_a_heat_map_is_normalised_both_ways() -> None:
    """Rows say what became of a truth, columns what a prediction is made of."""
    confusion = {'rows': ['a', 'b'], 'columns': ['a', 'b', 'out']}
    rows = heat_map({**confusion, 'pixels': [[6, 2, 0], [0, 2, 0]]}, 'pixels').rows
    assert rows[0].cells == [(6, 75.0, 100.0), (2, 25.0, 50.0), (0, 0.0, 0.0)]
    assert rows[1].cells == [(0, 0.0, 0.0), (2, 100.0, 50.0), (0, 0.0, 0.0)]


def test_what_is_not_known_is_a_dash() -> None:
    """Neither zero nor NaN."""
    assert [percent(value) for value in (None, float('nan'), 0.0, 0.1234)] == [
        '–',
        '–',
        '0.0',
        '12.3',
    ]


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """The folder is a file."""
    (tmp_path / 'taken').write_text('')
    with pytest.raises(ConfigError, match='taken'):
        write_report(Report('x', {}, {}), tmp_path / 'taken')
    path = write_report(Report('x', {}, {}), tmp_path / 'new' / 'folder')
    Page(path.read_text('utf-8'))


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 9])
def test_a_book_keeps_the_best_and_the_worst(count: int) -> None:
    """As sorting all of them would; nothing is in both lists."""
    rng = np.random.default_rng(count)
    scores = rng.permutation(count) / 10
    image = np.zeros((2, 2, 3), np.uint8)
    book = BestAndWorst(2)
    for score in scores:
        book.add(f'{score}', float(score), lambda: (image, image, image))
    book.add('none', float('nan'), lambda: pytest.fail('not drawn'))
    worst, best = [p.score for p in book.worst()], [p.score for p in book.best()]
    ordered = sorted(scores)
    assert worst == ordered[: min(2, (count + 1) // 2)]
    assert best == ordered[::-1][: min(2, count // 2)]


def test_images_are_small_jpegs() -> None:
    """Wider ones shrink, their sides keep their ratio."""
    wide = np.full((600, 2 * WIDTH, 3), (200, 30, 60), np.uint8)
    data = base64.b64decode(jpeg_uri(wide).split(',')[1])
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert decoded.shape == (300, WIDTH, 3)
    np.testing.assert_allclose(decoded.mean((0, 1)), (200, 30, 60), atol=4)


def test_a_label_has_the_colour_of_the_node_that_stands_for_it() -> None:
    """CamVid's Building holds a node of that name; its Pavement is mostly the node Walkable."""
    taxonomy = load_taxonomy('street')
    labels = {label.name: label for label in load_mapping('camvid', taxonomy).labels}
    for label, node in (('Building', 'Building'), ('Pavement', 'Walkable'), ('Car', 'Car')):
        expected = taxonomy.nodes[taxonomy.node_id(node)].color
        assert label_color(labels[label], taxonomy) == expected


def test_albums_paint_what_was_measured(small_taxonomy: Taxonomy) -> None:
    """Label colours over the image; false regions red, others green."""
    mapping = Mapping('test', (Label(4, 'road', (small_taxonomy.node_id('road'),)),), (255,))
    album = PixelAlbum(mapping, small_taxonomy)
    image = np.full((8, 8, 3), 100, np.uint8)
    truth, predicted = np.full((8, 8), 255, np.uint8), np.full((8, 8), 4, np.uint8)
    album.add('one', PixelImage(image, truth, predicted, 0.5))
    (kept,) = album.book.worst()
    assert kept.truth != kept.prediction
    region = SubclassMask(5, 4, 1.0, (), (2, 2, 3, 3), np.ones((3, 3), bool), 9)
    for on_sign, channel in ((True, 1), (False, 0)):
        painted = paint_regions(image, [region], [on_sign], small_taxonomy)
        assert painted[3, 3].argmax() == channel
    assert (image == 100).all()
