/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Unfolding trees, and sorting and filtering signs. */
for (const button of document.querySelectorAll('[data-tree]')) {
  button.addEventListener('click', () => {
    for (const part of byId(button.dataset.tree).querySelectorAll('details'))
      part.open = button.dataset.open === '1';
  });
}

const ORDERS = {
  first: (a, b) => a.first - b.first,
  sightings: (a, b) => b.sightings - a.sightings,
  score: (a, b) => b.score - a.score,
  name: (a, b) => a.name.localeCompare(b.name, 'en'),
};

const FIRST_ROWS = 40;
const isWhole = new Set();

function arrange(number) {
  const controls = Object.fromEntries(
    [...document.querySelectorAll(`[data-signs="${number}"]`)].map((one) => [
      one.dataset.use,
      one.value,
    ]),
  );
  const body = byId(`signs-${number}`).tBodies[0];
  const rows = [...body.rows].sort(
    (a, b) => ORDERS[controls.order](a.dataset, b.dataset) || ORDERS.first(a.dataset, b.dataset),
  );
  const type = controls.type.trim().toLowerCase();
  const most = isWhole.has(number) ? Infinity : FIRST_ROWS;
  let fitting = 0;
  for (const row of rows) {
    const { sightings, name } = row.dataset;
    const fits = +sightings >= +controls.least && name.toLowerCase().includes(type);
    fitting += fits;
    row.hidden = !fits || fitting > most;
  }
  body.append(...rows);
  byId(`signs-count-${number}`).textContent = `${fitting} of ${rows.length} signs`;
  const all = document.querySelector(`[data-all="${number}"]`);
  all.hidden = fitting <= most;
  all.textContent = `Show all ${fitting}`;
}

for (const control of document.querySelectorAll('[data-signs]')) {
  control.addEventListener('input', () => arrange(control.dataset.signs));
}
for (const button of document.querySelectorAll('[data-all]')) {
  button.addEventListener('click', () => {
    isWhole.add(button.dataset.all);
    arrange(button.dataset.all);
  });
}
for (const order of document.querySelectorAll('[data-use=order]')) arrange(order.dataset.signs);
