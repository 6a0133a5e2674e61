/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Data of the page, and functions that all scripts use. */
const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);

const NAMES = {
  miou: 'mIoU',
  accuracy: 'pixel accuracy',
  confidence: 'mean confidence',
  low_share: 'unsure pixels',
  flicker: 'flicker',
};

/** Make an element: attributes with a dash or of SVG by name, 'text' as its content. */
function make(name, attributes = {}, children = []) {
  const isSvg = ['svg', 'path', 'line', 'rect', 'text'].includes(name);
  const element = isSvg
    ? document.createElementNS('http://www.w3.org/2000/svg', name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') element.textContent = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const percent = (value, digits = 1) => (value == null ? '–' : (100 * value).toFixed(digits));
const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** Drive time as minutes, seconds and tenths. */
function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const whole = Math.floor(tenths / 10);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}.${tenths % 10}`;
}
