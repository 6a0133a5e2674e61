# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The page of a replay in a real browser: quiet, legible, and all its controls do their work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import Browser
from live_support import LiveCamera, write_live
from replay_support import TRUTH, mapping, replay, tree, write_drive

from hiseg_ros.bags.bag import read_images
from hiseg_ros.replay.mapping_facts import mapping_facts
from hiseg_ros.reports.replay_page import write_report

pytestmark = pytest.mark.needs('torch', 'browser')

FRAMES, SIZE = 24, (96, 128)
PHONE, DESKTOP = 390, 1440


@pytest.fixture(scope='module')
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a replay with truth and its page."""
    path = tmp_path_factory.mktemp('replay')
    bag = write_drive(path / 'bag', FRAMES, size=SIZE)
    facts = {'recordings': [{'name': 'a drive', 'files': []}], 'ground_truth': TRUTH,
             'mapping': mapping_facts(mapping(tree()))}  # fmt: skip
    replay(bag, path / 'out', truth=TRUTH, facts=facts)
    write_report(path / 'out')
    return path / 'out'


@pytest.fixture(scope='module')
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.fixture
def page(browser: Browser, output: Path) -> Browser:
    """Return the browser with the page freshly opened on a desktop."""
    browser.look(DESKTOP)
    browser.open(output / 'report.html')
    return browser


def text(page: Browser, selector: str) -> str:
    return str(page.run(f'document.querySelector({json.dumps(selector)}).textContent'))


def scores_of(output: Path) -> list[float]:
    rows = [json.loads(line) for line in (output / 'frames.jsonl').read_text().splitlines()]
    return [row['scores']['nodes']['miou'] for row in rows]


CONTRAST = """
(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = (one) => {
    for (let e = one; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0.5) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(one);
    if (!own || one.closest('script, .stage, :disabled') || !one.getClientRects().length) continue;
    const isSvg = one instanceof SVGElement;
    const [a, b] = [light(numbers(isSvg ? style.fill : style.color)), light(back(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([one.outerHTML.slice(0, 80), ratio]);
  }
  return poor;
})()
"""


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
@pytest.mark.parametrize('width', [PHONE, DESKTOP])
def test_the_page_is_quiet_and_legible(
    browser: Browser, output: Path, width: int, dark: bool
) -> None:
    """No complaint, nothing asked of the network, no sideways scrolling, enough contrast."""
    browser.look(width, dark=dark)
    browser.open(output / 'report.html')
    assert browser.complaints() == []
    assert browser.addresses() == [(output / 'report.html').as_uri()]
    assert browser.run('document.documentElement.scrollWidth') <= width
    assert browser.run(CONTRAST) == []
    is_broken = '[...document.images].filter((one) => !one.complete || !one.naturalWidth).length'
    assert browser.run(is_broken) == 0
    assert browser.run('document.images.length') > 8


def test_every_control_has_a_name_and_the_keyboard_reaches_it(page: Browser) -> None:
    """For who cannot see or point."""
    assert page.nameless() == []
    page.press('Tab', 9)
    assert page.run('document.activeElement.className') == 'skip'
    seen: set[str] = set()
    for _ in range(80):
        page.press('Tab', 9)
        seen.add(page.run('document.activeElement.id || document.activeElement.tagName'))
    assert seen >= {'cursor', 'zoom-in', 'previous', 'left', 'right', 'divider', 'opacity',
                    'boxes', 'matrix', 'way', 'SUMMARY', 'TD'}  # fmt: skip


def test_the_worst_frame_is_one_click_away(page: Browser, output: Path) -> None:
    """With its metrics, its image and the cursor at its place."""
    miou = scores_of(output)
    worst, best = miou.index(min(miou)), miou.index(max(miou))
    page.click('#groups > div:nth-child(2) button')
    assert text(page, '#image-title').startswith(f'Frame {best} ')
    page.click('#groups > div:nth-child(1) button')
    assert text(page, '#image-title').startswith(f'Frame {worst} ')
    assert 'worst mIoU, rank 1' in text(page, '#image-title')
    assert f'frame {worst} · mIoU {100 * miou[worst]:.1f} %' in text(page, '#readout')
    assert page.run('document.querySelector("#groups button").ariaPressed') == 'true'
    assert page.run('document.querySelectorAll("#panels button").length') == 5
    page.click('#next')
    assert text(page, '#image-title').startswith(f'Frame {worst + 1} ')


def test_the_slider_goes_along_the_drive_by_keys_and_by_click(page: Browser) -> None:
    """Frame by frame, to the ends, and zoomed."""
    page.run('document.getElementById("cursor").focus()')
    for key, code, frame in (('Home', 36, 0), ('ArrowRight', 39, 1), ('PageUp', 33, 11),
                             ('ArrowLeft', 37, 10), ('End', 35, FRAMES - 1)):  # fmt: skip
        page.press(key, code)
        assert f'frame {frame} ·' in text(page, '#readout')
        assert text(page, '#image-title').startswith(f'Frame {frame} ')
        spoken = page.run('document.getElementById("cursor").getAttribute("aria-valuetext")')
        assert spoken == text(page, '#readout')
    page.click('.plot-body')
    assert f'frame {FRAMES // 2} ·' in text(page, '#readout')
    view = 'document.querySelector(".plot svg").viewBox.baseVal.width'
    whole = page.run(view)
    page.click('#zoom-in')
    assert page.run(view) < whole
    page.click('#zoom-all')
    assert page.run(view) == whole


def test_two_layers_are_compared_with_a_divider(page: Browser) -> None:
    """By its slider and by dragging; labels fade by theirs."""
    assert page.run('document.getElementById("over").style.clipPath') == 'inset(0px 0px 0px 50%)'
    page.run('document.getElementById("divider").focus()')
    page.press('End', 35)
    assert '100%' in page.run('document.getElementById("over").style.clipPath')
    page.click('#stage')
    assert '50%' in page.run('document.getElementById("over").style.clipPath')
    page.run('document.getElementById("opacity").focus()')
    page.press('Home', 36)
    assert page.run('document.querySelector("#over [data-over]").style.opacity') == '0'
    page.click('#panels button:nth-child(5)')
    assert page.run('document.getElementById("right").value') == 'confidence'
    assert text(page, '.tag.right') == 'confidence'
    assert page.run('document.querySelectorAll("#stage rect").length') > 0
    page.click('#boxes')
    assert page.run('document.querySelectorAll("#stage rect").length') == 0


def test_the_pixel_below_the_mouse_is_named(page: Browser, output: Path) -> None:
    """As the bag says."""
    page.run('document.getElementById("cursor").focus()')
    page.press('Home', 36)
    labels = next(read_images(output / 'replay.mcap', '/segmentation/labels'))[1]
    for y in (2, 60, 90):
        for x in (5, 70, 120):
            expected = tree().nodes[labels[y, x]].name
            words = f'x {x}, y {y} · prediction {expected} · truth'
            # The layers are decoded after the first look.
            for attempt in range(50):
                page.point('#stage', (x + 0.5 + attempt % 2 / 9) / SIZE[1], (y + 0.5) / SIZE[0])
                if words in text(page, '#pixel'):
                    break
                page.run('new Promise((done) => setTimeout(done, 20))')
            assert words in text(page, '#pixel')


def test_the_confusion_is_normalised_as_asked(page: Browser, output: Path) -> None:
    """Rows, columns or pixels, of each decision, walked through by the arrow keys."""
    scores: Any = json.loads((output / 'metrics.json').read_text())['scores']
    counts = scores['nodes']['confusion']['pixels']
    cells = (
        '[...document.querySelectorAll("#heat tbody tr")].map((row) => '
        '[...row.querySelectorAll("td")].map((cell) => cell.textContent))'
    )

    def shown(value: float) -> str:
        return '' if not value else '<1' if value < 0.005 else f'{100 * value:.0f}'

    rows = [[shown(n / max(1, sum(row))) for n in row] for row in counts]
    assert page.run(cells) == rows
    page.click('[name=share][value=columns]')
    sums = [max(1, sum(column)) for column in zip(*counts, strict=True)]
    assert page.run(cells) == [
        [shown(n / total) for n, total in zip(row, sums, strict=True)] for row in counts
    ]
    page.click('[name=share][value=none]')
    assert page.run(cells)[0][0] != rows[0][0]
    page.run('document.querySelector("#heat td").focus()')
    page.press('ArrowRight', 39)
    names = scores['nodes']['confusion']['columns']
    assert text(page, '#cell').startswith(f'{names[0]}, taken for {names[1]}: ')
    page.run(
        '(() => { const one = document.getElementById("matrix"); one.value = 1;'
        'one.dispatchEvent(new Event("change")); })()'
    )
    assert text(page, '#heat tbody th') == 'ground'


def test_trees_fold_and_signs_are_found(page: Browser) -> None:
    """By click, all at once, and by name."""
    opened = 'document.querySelectorAll("#iou details[open]").length'
    assert page.run(opened) == 1
    page.click('#iou summary')
    assert page.run(opened) == 0
    page.click('#iou [data-open="1"]')
    assert page.run(opened) == page.run('document.querySelectorAll("#iou details").length')
    visible = '[...document.querySelectorAll("#signs-0 tbody tr")].filter((r) => !r.hidden).length'
    total = page.run(visible)
    assert text(page, '#signs-count-0') == f'{total} of {total} signs'
    page.run(
        '(() => { const one = document.querySelector("[data-use=type]"); one.value = "nothing";'
        'one.dispatchEvent(new Event("input")); })()'
    )
    assert page.run(visible) == 0 and total > 0
    page.run(
        '(() => { const one = document.querySelector("[data-use=type]"); one.value = "LIMIT";'
        'one.dispatchEvent(new Event("input")); })()'
    )
    assert page.run(visible) > 0
    page.click('#signs-0 tbody tr:not([hidden]) button')
    row = page.run('document.querySelector("#signs-0 tbody tr:not([hidden]) button").dataset.row')
    assert f'frame {row} ·' in text(page, '#readout')
    assert page.run('document.activeElement.id') == 'cursor'


def test_each_camera_has_its_own_drive(browser: Browser, tmp_path: Path) -> None:
    """Chosen by a switch, or by a sign of it; an empty tail of the drive is no error."""
    bag = write_drive(tmp_path / 'bag', 5)
    replay(bag, tmp_path / 'out', topics=('/camera/image_raw/compressed', TRUTH))
    browser.open(write_report(tmp_path / 'out'))
    assert browser.complaints() == []
    first = browser.run('document.querySelector("#stage img").src')
    browser.click('[name=camera][value="1"]')
    assert browser.run('document.querySelector("#stage img").src') != first
    browser.run('document.getElementById("cursor").focus()')
    browser.press('End', 35)
    # Frames are numbered over both cameras.
    assert text(browser, '#image-title').startswith('Frame 9 ')
    assert 'frame 9 ·' in text(browser, '#readout')
    browser.click('[data-camera="0"]')
    assert browser.run('document.querySelector("[name=camera]").checked')
    assert browser.complaints() == []


def test_the_live_section_is_legible_and_opens_by_keyboard(
    browser: Browser, tmp_path: Path
) -> None:
    """Its charts are images with a name, its course over time is a table as well."""
    latency = {number: 40.0 + number % 7 for number in range(1, 29) if number % 6}
    bag = write_live(tmp_path / 'bag', [LiveCamera(latency, images=30)])
    replay(bag, tmp_path / 'out')
    page = write_report(tmp_path / 'out')
    for width, dark in ((PHONE, True), (DESKTOP, False)):
        browser.look(width, dark=dark)
        browser.open(page)
        assert browser.complaints() == [] and browser.nameless() == []
        assert browser.run('document.documentElement.scrollWidth') <= width
        assert browser.run(CONTRAST) == []
    names = '[...document.querySelectorAll("#live svg")].map((one) => one.ariaLabel)'
    assert all('over time' in name for name in browser.run(names))
    browser.run('document.querySelector("#live summary").focus()')
    browser.press('Enter', 13)
    assert browser.run('document.querySelector("#live details").open')
    browser.press('Tab', 9)
    assert browser.run('document.activeElement.ariaLabel') == 'Live, over time'
    rows = 'document.querySelectorAll("#live details tbody tr").length'
    assert browser.run(rows) == browser.run('document.querySelectorAll("#live g").length') == 6
