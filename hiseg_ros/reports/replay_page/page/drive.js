/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Timeline and viewer together. */
const viewer = new Viewer();
const timeline = new Timeline((row) => showNearest(row));
new PixelReader(viewer);
let camera = data.cameras[0];
let shown = 0;

function showNearest(row) {
  if (!camera.pictures.length) return;
  let best = 0;
  camera.pictures.forEach((picture, number) => {
    if (Math.abs(picture.row - row) < Math.abs(camera.pictures[best].row - row)) best = number;
  });
  showPicture(best, false);
}

const lower = (title) => title[0].toLowerCase() + title.slice(1);

/** Show a picture, and take the cursor there unless it leads. */
function showPicture(number, moves = true) {
  const isNew = number !== shown || viewer.picture !== camera.pictures[number];
  shown = number;
  const picture = camera.pictures[number];
  if (isNew) viewer.show(camera, number);
  timeline.place(moves ? picture.row : null, number);
  const groups = camera.groups.filter((group) => group.pictures.includes(number));
  const fame = groups.map(
    (group) => `${lower(group.title)}, rank ${group.pictures.indexOf(number) + 1}`,
  );
  byId('picture-title').textContent = [
    `Frame ${picture.frame}`,
    clock(picture.time_s),
    ...fame,
  ].join(' · ');
  byId('previous').disabled = number === 0;
  byId('next').disabled = number === camera.pictures.length - 1;
  for (const button of byId('groups').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', +button.dataset.picture === number);
  }
}

function showCamera(number) {
  camera = data.cameras[number];
  byId('timeline').hidden = !camera.frames;
  if (camera.frames) timeline.show(camera);
  byId('viewer').hidden = !camera.pictures.length;
  byId('groups').replaceChildren(
    ...camera.groups.map((group) => {
      const mark = make('i', {
        class: kindOf(group),
        text: MARKS[kindOf(group)],
        'aria-hidden': 'true',
      });
      const buttons = group.pictures.map((picture) => {
        const { frame, values, time_s: time } = camera.pictures[picture];
        const button = make('button', {
          type: 'button',
          'data-picture': picture,
          title: `Frame ${frame}`,
          text: `${clock(time)} · ${percent(values[group.series])} %`,
        });
        button.addEventListener('click', () => showPicture(picture));
        return button;
      });
      const heading = make('h3', {}, [mark, group.title]);
      return make('div', {}, [heading, make('div', { class: 'tools' }, buttons)]);
    }),
  );
  const first = camera.groups.length ? camera.groups[0].pictures[0] : 0;
  if (camera.pictures.length) showPicture(first);
  else if (camera.frames) timeline.place(0);
}

byId('previous').addEventListener('click', () => showPicture(shown - 1));
byId('next').addEventListener('click', () => showPicture(shown + 1));
for (const choice of document.querySelectorAll('[name=camera]')) {
  choice.addEventListener('change', () => showCamera(+choice.value));
}
for (const button of document.querySelectorAll('[data-row]')) {
  button.addEventListener('click', () => {
    const number = +button.dataset.camera;
    if (data.cameras[number] !== camera) {
      showCamera(number);
      document.querySelector(`[name=camera][value="${number}"]`).checked = true;
    }
    timeline.move(timeline.pieceOf(+button.dataset.row));
    byId('drive').scrollIntoView();
    byId('cursor').focus({ preventScroll: true });
  });
}
window.addEventListener('resize', () => {
  if (camera.frames) timeline.look(timeline.from, timeline.to - timeline.from);
});
if (data.cameras.length) showCamera(0);
