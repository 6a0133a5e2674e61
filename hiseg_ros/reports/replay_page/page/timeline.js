/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Curves over the drive with a cursor; a piece is one frame, or several of a long drive. */
class Timeline {
  constructor(onMove) {
    this.onMove = onMove;
    this.slider = byId('cursor');
    this.slider.addEventListener('input', () =>
      this.move(this.pieceAt(+this.slider.value / 1000)),
    );
    this.slider.addEventListener('keydown', (event) => this.key(event));
    byId('zoom-in').addEventListener('click', () => this.zoom(0.5));
    byId('zoom-out').addEventListener('click', () => this.zoom(2));
    byId('zoom-all').addEventListener('click', () => this.zoom(Infinity));
  }

  /** Show a camera from its first frame on. */
  show(camera) {
    this.camera = camera;
    this.piece = 0;
    this.marks = camera.images.map(() => '');
    for (const group of camera.groups) {
      for (const number of group.images)
        this.marks[number] = this.marks[number] || kindOf(group);
    }
    this.build();
    this.zoom(Infinity);
  }

  get pieces() {
    return this.camera.first.length - 1;
  }
  get end() {
    return this.camera.time_s[this.pieces];
  }
  middle(piece) {
    return (this.camera.time_s[piece] + this.camera.time_s[piece + 1]) / 2;
  }

  /** Piece at a drive time. */
  pieceAt(seconds) {
    return this.find(this.camera.time_s, seconds);
  }

  /** Last piece that starts at or before a value. */
  find(begins, value) {
    let low = 0;
    let high = this.pieces - 1;
    while (low < high) {
      const half = Math.ceil((low + high) / 2);
      if (begins[half] <= value) low = half;
      else high = half - 1;
    }
    return low;
  }

  /** Piece that holds a row of the camera's frames. */
  pieceOf(row) {
    return this.find(this.camera.first, row);
  }

  build() {
    const plots = byId('plots');
    plots.replaceChildren();
    this.bodies = [];
    for (const names of PLOTS) {
      const known = names.filter((name) => this.camera.series[name]);
      if (known.length) plots.append(this.plot(known));
    }
    this.strip = make('div', { class: 'marks', 'aria-hidden': 'true' });
    this.axis = make('div', { class: 'axis', 'aria-hidden': 'true' });
    plots.append(this.strip, this.axis);
  }

  plot(names) {
    const { low, high, ticks } = scaleOf(
      names.map((name) => this.camera.series[name]),
      names[0],
    );
    const place = (value) => 1 - (value - low) / (high - low);
    const svg = make('svg', { preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    const body = make('div', { class: 'plot-body' }, [svg]);
    for (const tick of ticks) {
      svg.append(
        make('line', { class: 'grid', x1: 0, x2: this.end, y1: place(tick), y2: place(tick) }),
      );
      const text = percent(tick, ticks[1] - ticks[0] < 0.0099 ? 1 : 0);
      body.append(make('span', { class: 'tick', style: `top:${100 * place(tick)}%`, text }));
    }
    for (const [kind, pieces] of [
      ['pause', this.camera.pause],
      ['lost', this.camera.unreadable],
    ]) {
      for (const piece of pieces) {
        const x = kind === 'pause' ? this.camera.time_s[piece] : this.middle(piece);
        svg.append(make('line', { class: kind, x1: x, x2: x, y1: 0, y2: 1 }));
      }
    }
    names.forEach((name, number) => {
      const style = `--c:var(${COLORS[name]})`;
      const { mean, low: lower, high: upper } = this.camera.series[name];
      if (lower)
        svg.append(make('path', { class: 'range', style, d: this.area(lower, upper, place) }));
      const kind = number ? 'curve dashed' : 'curve';
      svg.append(make('path', { class: kind, style, d: this.curve(mean, place) }));
    });
    body.append(make('div', { class: 'now' }));
    body.addEventListener('pointerdown', (event) => this.point(event, body));
    body.addEventListener('pointermove', (event) => {
      if (event.buttons) this.point(event, body);
    });
    this.bodies.push(body);
    const head = make(
      'div',
      { class: 'plot-head' },
      names.map((name, number) =>
        make('span', {
          class: number ? 'dashed' : '',
          style: `--c:var(${COLORS[name]})`,
          text: `${NAMES[name]}, %`,
        }),
      ),
    );
    return make('div', { class: 'plot' }, [head, body]);
  }

  /** Runs of pieces with values, split at pauses of the recording. */
  runs(values) {
    const pauses = new Set(this.camera.pause);
    const runs = [];
    let run = null;
    values.forEach((value, piece) => {
      if (value == null) {
        run = null;
        return;
      }
      if (!run || pauses.has(piece)) runs.push((run = []));
      run.push(piece);
    });
    return runs;
  }

  curve(values, place) {
    const at = (piece) => `${+this.middle(piece).toFixed(3)} ${+place(values[piece]).toFixed(4)}`;
    return this.runs(values)
      .map((run) => `M${run.map(at).join('L')}${run.length > 1 ? '' : 'h0'}`)
      .join('');
  }

  area(lower, upper, place) {
    const at = (values) => (piece) =>
      `${+this.middle(piece).toFixed(3)} ${+place(values[piece]).toFixed(4)}`;
    return this.runs(lower)
      .map(
        (run) =>
          `M${run.map(at(upper)).join('L')}L${[...run].reverse().map(at(lower)).join('L')}Z`,
      )
      .join('');
  }

  /** Change the length of the window by a factor, around the cursor. */
  zoom(factor) {
    const least = Math.min(this.end, (this.end * LEAST_PIECES) / this.pieces);
    const length = Math.max(least, Math.min(this.end, (this.to - this.from) * factor || this.end));
    this.look(this.middle(this.piece) - length / 2, length);
  }

  look(from, length) {
    this.from = Math.max(0, Math.min(this.end - length, from));
    this.to = this.from + length;
    this.slider.min = Math.round(1000 * this.from);
    this.slider.max = Math.round(1000 * this.to);
    for (const body of this.bodies) {
      body.firstChild.setAttribute('viewBox', `${this.from} 0 ${length} 1`);
    }
    byId('zoom-in').disabled = length <= (this.end * LEAST_PIECES) / this.pieces;
    byId('zoom-out').disabled = byId('zoom-all').disabled = length >= this.end;
    this.drawAxis(length);
    this.drawCursor();
  }

  share(seconds) {
    return (100 * (seconds - this.from)) / (this.to - this.from);
  }

  drawAxis(length) {
    const room = Math.max(2, Math.floor(this.axis.clientWidth / 90));
    const step =
      [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600].find(
        (one) => length / one <= room,
      ) || 7200;
    this.axis.replaceChildren();
    for (let n = Math.ceil(this.from / step); n * step <= this.to; n += 1) {
      const text = step < 1 ? clock(n * step) : clock(n * step).slice(0, -2);
      this.axis.append(make('span', { style: `left:${this.share(n * step)}%`, text }));
    }
  }

  drawCursor() {
    const seconds = this.middle(this.piece);
    for (const body of this.bodies) {
      body.querySelector('.now').style.left = `${this.share(seconds)}%`;
    }
    this.slider.value = Math.round(1000 * seconds);
    this.slider.setAttribute('aria-valuetext', this.describe());
    byId('readout').textContent = this.describe();
    this.drawMarks();
  }

  drawMarks() {
    this.strip.replaceChildren();
    this.camera.images.forEach((image, number) => {
      const left = this.share(this.middle(this.pieceOf(image.row)));
      if (left < 0 || left > 100) return;
      const kind = this.marks[number];
      const isShown = number === this.shown;
      const text = isShown ? '●' : MARKS[kind] || '·';
      this.strip.append(
        make('i', { class: isShown ? 'shown' : kind, style: `left:${left}%`, text }),
      );
    });
  }

  describe() {
    const { time_s: times, series } = this.camera;
    const [from, to] = [this.camera.from[this.piece], this.camera.to[this.piece]];
    const frames = to > from ? `frames ${from} to ${to}` : `frame ${to}`;
    const values = Object.entries(series)
      .filter(([, one]) => one.mean[this.piece] != null)
      .map(([name, one]) => `${NAMES[name]} ${percent(one.mean[this.piece])} %`);
    return [clock(times[this.piece]), frames, ...values].join(' · ');
  }

  /** Move the cursor to a piece. */
  move(piece) {
    this.piece = Math.max(0, Math.min(this.pieces - 1, piece));
    this.onMove((this.camera.first[this.piece] + this.camera.first[this.piece + 1] - 1) / 2);
    this.follow();
  }

  /** Move the cursor to a row without showing another image. */
  place(row, shown) {
    this.shown = shown;
    if (row != null) this.piece = this.pieceOf(row);
    this.follow();
  }

  follow() {
    const seconds = this.middle(this.piece);
    const length = this.to - this.from;
    if (seconds < this.from || seconds > this.to) this.look(seconds - length / 2, length);
    else this.drawCursor();
  }

  point(event, body) {
    const box = body.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    this.move(this.pieceAt(this.from + share * (this.to - this.from)));
  }

  key(event) {
    const steps = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -Infinity,
      End: Infinity,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.move(this.piece + steps[event.key]);
  }
}
