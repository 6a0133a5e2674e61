/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Names of the pixel below the pointer, read from the colours of the label layers. */
const namesOfColor = (rows) => {
  const names = new Map();
  for (const [name, color] of rows)
    names.set(color, names.has(color) ? `${names.get(color)} or ${name}` : name);
  return names;
};

class PixelReader {
  constructor(viewer) {
    this.viewer = viewer;
    this.names = { prediction: namesOfColor(data.nodes), truth: namesOfColor(data.labels) };
    viewer.stage.addEventListener('pointermove', (event) => this.read(event));
  }

  /** Canvas of a layer of the shown image, drawn once it is loaded. */
  canvas(name) {
    if (this.image !== this.viewer.image) {
      this.image = this.viewer.image;
      this.canvases = {};
    }
    const source = this.image.layers[name];
    if (source && !(name in this.canvases)) {
      this.canvases[name] = null;
      const image = new Image();
      const mine = this.canvases;
      image.onload = () => {
        const canvas = make('canvas', { width: image.naturalWidth, height: image.naturalHeight });
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        mine[name] = context;
      };
      image.src = source;
    }
    return this.canvases[name];
  }

  color(name, x, y) {
    const context = this.canvas(name);
    if (!context) return null;
    const { width, height } = context.canvas;
    const column = Math.min(width - 1, Math.floor(x * width));
    return context.getImageData(column, Math.min(height - 1, Math.floor(y * height)), 1, 1).data;
  }

  read(event) {
    const box = this.viewer.stage.getBoundingClientRect();
    const [x, y] = [
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
    ];
    if (x < 0 || y < 0 || x >= 1 || y >= 1 || !this.viewer.image) return;
    const [height, width] = this.viewer.image.size;
    const parts = [`x ${Math.floor(x * width)}, y ${Math.floor(y * height)}`];
    for (const name of ['prediction', 'truth']) {
      const color = this.color(name, x, y);
      if (!color) continue;
      const hex = `#${[...color]
        .slice(0, 3)
        .map((value) => value.toString(16).padStart(2, '0'))
        .join('')}`;
      parts.push(
        `${name} ${this.names[name].get(hex) || (name === 'truth' ? 'unlabeled' : 'unknown')}`,
      );
    }
    const confidence = this.color('confidence', x, y);
    if (confidence) parts.push(`confidence about ${percent(confidence[0] / 255, 0)} %`);
    byId('pixel').textContent = parts.join(' · ');
  }
}
