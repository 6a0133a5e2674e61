/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   The viewer of one frame: all layers side by side, and two of them with a divider. */
const LAYERS = {
  image: 'image',
  prediction: 'prediction',
  truth: 'truth',
  wrong: 'wrong pixels',
  confidence: 'confidence',
};

class Viewer {
  constructor() {
    this.choice = { left: 'prediction', right: 'truth' };
    this.stage = byId('stage');
    for (const side of ['left', 'right']) {
      byId(side).addEventListener('change', () => {
        this.choice[side] = byId(side).value;
        this.draw();
      });
    }
    for (const id of ['divider', 'opacity'])
      byId(id).addEventListener('input', () => this.slide());
    byId('boxes').addEventListener('change', () => this.drawBoxes());
    const drag = (event) => {
      const box = this.stage.getBoundingClientRect();
      byId('divider').value = Math.round((100 * (event.clientX - box.left)) / box.width);
      this.slide();
    };
    this.stage.addEventListener('pointerdown', drag);
    this.stage.addEventListener('pointermove', (event) => {
      if (event.buttons) drag(event);
    });
  }

  /** Show an image of a camera. */
  show(camera, number) {
    this.image = camera.images[number];
    const [height, width] = this.image.size;
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.ratio = `aspect-ratio:${width} / ${height}`;
    this.fillChoices();
    this.draw();
    this.drawPanels();
    this.drawMetrics();
    this.drawLegend();
  }

  fillChoices() {
    const known = Object.keys(LAYERS).filter((name) => this.image.layers[name]);
    const wish = { left: this.choice.left, right: this.choice.right };
    if (!known.includes(wish.left)) [wish.left] = known;
    if (!known.includes(wish.right))
      wish.right = known.find((name) => name !== wish.left) || wish.left;
    for (const side of ['left', 'right']) {
      byId(side).replaceChildren(
        ...known.map((name) => make('option', { value: name, text: LAYERS[name] })),
      );
      byId(side).value = wish[side];
    }
  }

  /** Images of a layer: the camera's below, labels above it. */
  images(name) {
    const { layers } = this.image;
    const images = [];
    const needsBase = name !== 'image' && name !== 'confidence' && layers.image;
    const describe = `${LAYERS[name]} of frame ${this.image.frame}`;
    if (needsBase) images.push(make('img', { src: layers.image, alt: '' }));
    const kind = name === 'image' || name === 'confidence' ? 'smooth' : 'paint';
    const image = make('img', {
      src: layers[name],
      alt: describe,
      class: kind,
      draggable: 'false',
    });
    if (needsBase) image.dataset.over = '';
    return [...images, image];
  }

  draw() {
    const [left, right] = [byId('left').value, byId('right').value];
    this.stage.replaceChildren(
      make('div', { class: 'layer' }, this.images(left)),
      make('div', { class: 'layer', id: 'over' }, this.images(right)),
      make('span', { class: 'tag left', text: LAYERS[left] }),
      make('span', { class: 'tag right', text: LAYERS[right] }),
      make('div', { class: 'handle' }),
    );
    this.drawBoxes();
    this.slide();
  }

  slide() {
    const divider = byId('divider').value;
    byId('over').style.clipPath = `inset(0 0 0 ${divider}%)`;
    this.stage.querySelector('.handle').style.left = `${divider}%`;
    byId('divider').setAttribute(
      'aria-valuetext',
      `${divider} % ${byId('left').value}, the rest ${byId('right').value}`,
    );
    for (const image of byId('viewer').querySelectorAll('[data-over]')) {
      image.style.opacity = byId('opacity').value / 100;
    }
  }

  drawBoxes() {
    this.stage.querySelector('svg')?.remove();
    if (!byId('boxes').checked) return;
    const [height, width] = this.image.size;
    const size = width / 46;
    const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    for (const [node, , y, x, tall, wide] of this.image.signs) {
      svg.append(make('rect', { x, y, width: wide, height: tall }));
      const isLow = y > 1.3 * size;
      const isRight = x > width * 0.7;
      svg.append(
        make('text', {
          x: isRight ? x + wide : x,
          y: isLow ? y - size * 0.3 : y + tall + size,
          'font-size': size,
          'text-anchor': isRight ? 'end' : 'start',
          text: data.nodes[node][0],
        }),
      );
    }
    this.stage.append(svg);
  }

  drawPanels() {
    const known = Object.keys(LAYERS).filter((name) => this.image.layers[name]);
    byId('panels').replaceChildren(
      ...known.map((name) => {
        const thumb = make('span', { class: 'thumb', style: this.ratio }, this.images(name));
        const button = make('button', { type: 'button', title: `Show ${LAYERS[name]} large` }, [
          thumb,
          make('span', { text: LAYERS[name] }),
        ]);
        button.addEventListener('click', () => {
          this.choice.right = byId('right').value = name;
          byId('divider').value = 0;
          this.draw();
        });
        return button;
      }),
    );
    this.slide();
  }

  drawMetrics() {
    const rows = Object.entries(this.image.values).map(([name, value]) => [
      NAMES[name],
      `${percent(value)} %`,
    ]);
    const entries = rows.flatMap(([name, text]) => [
      make('dt', { text: name }),
      make('dd', { text }),
    ]);
    const stamp = this.image.stamp_ns.padStart(10, '0');
    entries.push(
      make('dt', { class: 'stamp', text: 'stamp' }),
      make('dd', {
        class: 'whole',
        text: `${stamp.slice(0, -9)}.${stamp.slice(-9)}`,
      }),
    );
    byId('metrics').replaceChildren(...entries);
  }

  drawLegend() {
    const names = { prediction: data.nodes, truth: data.labels };
    const parts = Object.entries(this.image.legend).flatMap(([kind, rows]) => [
      make('h4', { text: `In the ${kind}` }),
      make(
        'ul',
        {},
        rows.map(([number, share]) =>
          make('li', {}, [
            make('span', { class: 'chip', style: `background:${names[kind][number][1]}` }),
            `${names[kind][number][0]} ${percent(share, share < 0.1 ? 1 : 0)} %`,
          ]),
        ),
      ),
    ]);
    byId('legend').replaceChildren(...parts);
  }
}
