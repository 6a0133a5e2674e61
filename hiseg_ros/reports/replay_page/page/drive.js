/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   The timeline and the viewer, kept at the same frame. */
const viewer = new Viewer();
const timeline = new Timeline((row) => showNearest(row));
new PixelReader(viewer);
let camera = data.cameras[0];
let shown = 0;

function showNearest(row) {
  if (!camera.images.length) return;
  let best = 0;
  camera.images.forEach((image, number) => {
    if (Math.abs(image.row - row) < Math.abs(camera.images[best].row - row)) best = number;
  });
  showImage(best, false);
}

const lower = (title) => title[0].toLowerCase() + title.slice(1);

/** Show an image, and move the cursor to it unless the cursor led here. */
function showImage(number, moves = true) {
  const isNew = number !== shown || viewer.image !== camera.images[number];
  shown = number;
  const image = camera.images[number];
  if (isNew) viewer.show(camera, number);
  timeline.place(moves ? image.row : null, number);
  const groups = camera.groups.filter((group) => group.images.includes(number));
  const fame = groups.map(
    (group) => `${lower(group.title)}, rank ${group.images.indexOf(number) + 1}`,
  );
  byId('image-title').textContent = [
    `Frame ${image.frame}`,
    clock(image.time_s),
    ...fame,
  ].join(' · ');
  byId('previous').disabled = number === 0;
  byId('next').disabled = number === camera.images.length - 1;
  for (const button of byId('groups').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', +button.dataset.image === number);
  }
}

function showCamera(number) {
  camera = data.cameras[number];
  byId('timeline').hidden = !camera.frames;
  if (camera.frames) timeline.show(camera);
  byId('viewer').hidden = !camera.images.length;
  byId('groups').replaceChildren(
    ...camera.groups.map((group) => {
      const mark = make('i', {
        class: kindOf(group),
        text: MARKS[kindOf(group)],
        'aria-hidden': 'true',
      });
      const buttons = group.images.map((image) => {
        const { frame, values, time_s: time } = camera.images[image];
        const button = make('button', {
          type: 'button',
          'data-image': image,
          title: `Frame ${frame}`,
          text: `${clock(time)} · ${percent(values[group.series])} %`,
        });
        button.addEventListener('click', () => showImage(image));
        return button;
      });
      const heading = make('h3', {}, [mark, group.title]);
      return make('div', {}, [heading, make('div', { class: 'tools' }, buttons)]);
    }),
  );
  const first = camera.groups.length ? camera.groups[0].images[0] : 0;
  if (camera.images.length) showImage(first);
  else if (camera.frames) timeline.place(0);
}

byId('previous').addEventListener('click', () => showImage(shown - 1));
byId('next').addEventListener('click', () => showImage(shown + 1));
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
