/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   The confusion matrix as a heat map in a table, navigable with the arrow keys. */
class HeatMap {
  constructor() {
    this.place = [0, 0];
    byId('matrix').append(
      ...data.confusions.map((one, value) => make('option', { value, text: one.title })),
    );
    for (const id of ['matrix', 'way']) byId(id).addEventListener('change', () => this.draw());
    for (const one of document.querySelectorAll('[name=share]'))
      one.addEventListener('change', () => this.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    this.draw();
  }

  draw() {
    const { rows, columns, pixels } = data.confusions[byId('matrix').value][byId('way').value];
    const share = document.querySelector('[name=share]:checked').value;
    const rowSums = pixels.map((row) => row.reduce((a, b) => a + b, 0));
    const columnSums = columns.map((_, column) =>
      pixels.reduce((sum, row) => sum + row[column], 0),
    );
    const most = Math.max(1, ...pixels.flat());
    const paint = new Paint();
    const head = make('tr', {}, [
      make('th', { scope: 'col', text: 'truth \\ prediction' }),
      ...columns.map((name) => make('th', { scope: 'col' }, [make('span', { text: name })])),
    ]);
    const body = pixels.map((row, i) =>
      make('tr', {}, [
        make('th', { scope: 'row', text: rows[i] }),
        ...row.map((count, j) => {
          const ofRow = rowSums[i] ? count / rowSums[i] : 0;
          const ofColumn = columnSums[j] ? count / columnSums[j] : 0;
          const value = { rows: ofRow, columns: ofColumn, none: count / most }[share];
          // A power below one makes small shares visible.
          const cell = make('td', {
            tabindex: -1,
            text: share === 'none' ? short(count) : cellText(value, count),
            style: count
              ? paint.style(value ** (share === 'none' ? 0.4 : 0.6), rows[i] === columns[j])
              : '',
          });
          cell.dataset.text =
            `${rows[i]}, taken for ${columns[j]}: ${grouped(count)} pixels, ` +
            `${percent(ofRow)} % of the truth, ${percent(ofColumn)} % of the prediction`;
          return cell;
        }),
      ]),
    );
    const table = make(
      'table',
      { role: 'grid', 'aria-label': `Confusion, ${data.confusions[byId('matrix').value].title}` },
      [make('thead', {}, [head]), make('tbody', {}, body)],
    );
    table.addEventListener('pointerover', (event) => this.tell(event.target));
    table.addEventListener('focusin', (event) => this.tell(event.target));
    table.addEventListener('keydown', (event) => this.key(event, table));
    byId('heat').replaceChildren(table);
    this.place = [
      Math.min(this.place[0], rows.length - 1),
      Math.min(this.place[1], columns.length - 1),
    ];
    this.cell(table).tabIndex = 0;
  }

  cell(table) {
    return table.tBodies[0].rows[this.place[0]].cells[this.place[1] + 1];
  }

  tell(cell) {
    if (cell.dataset?.text) byId('cell').textContent = cell.dataset.text;
  }

  key(event, table) {
    const [rows, columns] = [
      table.tBodies[0].rows.length,
      table.tBodies[0].rows[0].cells.length - 1,
    ];
    const [row, column] = this.place;
    const next = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, columns - 1],
    }[event.key];
    if (!next) return;
    event.preventDefault();
    this.cell(table).tabIndex = -1;
    this.place = [
      Math.max(0, Math.min(rows - 1, next[0])),
      Math.max(0, Math.min(columns - 1, next[1])),
    ];
    this.cell(table).tabIndex = 0;
    this.cell(table).focus();
  }
}

/** Colours of cells in the light or dark scheme: blue is right, orange is wrong. */
class Paint {
  constructor() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) =>
      style
        .getPropertyValue(name)
        .trim()
        .match(/[\da-f]{2}/gi)
        .map((two) => parseInt(two, 16));
    this.back = read('--bg');
    this.right = read('--accent');
    this.wrong = read('--warm');
  }

  style(strength, isRight) {
    const end = isRight ? this.right : this.wrong;
    const color = this.back.map((from, i) => Math.round(from + (end[i] - from) * strength));
    const light = color.map((v) => (v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    return `background:rgb(${color.join(',')});color:${luminance > 0.179 ? '#000' : '#fff'}`;
  }
}

function cellText(value, count) {
  if (!count) return '';
  return value < 0.005 ? '<1' : percent(value, 0);
}

function short(count) {
  if (!count) return '';
  const step = Math.min(3, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** step;
  return step
    ? `${value.toFixed(value < 9.95 ? 1 : 0)}${['', 'k', 'M', 'G'][step]}`
    : String(count);
}

if (data.confusions.length) new HeatMap();
