/* Copyright 2026 The hiseg_ros developers
   SPDX-License-Identifier: Apache-2.0
   Curves that are drawn together, their colours and their scales. */
const PLOTS = [['miou', 'accuracy'], ['confidence', 'low_share'], ['flicker']];
const COLORS = {
  miou: '--accent',
  accuracy: '--warm',
  confidence: '--good',
  low_share: '--warm',
  flicker: '--violet',
};
const MARKS = { worst: '▼', best: '▲', flicker: '◆' };
const LEAST_PIECES = 20;

function kindOf(group) {
  if (group.series === 'flicker') return 'flicker';
  return /^(Worst|Least)/.test(group.title) ? 'worst' : 'best';
}

/** Range and ticks that cover all values; flicker starts at zero. */
function scaleOf(series, name) {
  const values = series
    .flatMap((one) => [...(one.low || one.mean), ...(one.high || one.mean)])
    .filter((value) => value != null);
  const largest = Math.max(...values);
  const smallest = name === 'flicker' ? 0 : Math.min(...values);
  const step =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5].find(
      (one) => (largest - smallest) / one <= 4,
    ) || 0.5;
  const low = Math.floor(smallest / step + 1e-9) * step;
  const high = Math.max(
    low + step,
    Math.min(Math.ceil(largest / step - 1e-9) * step, Math.ceil(1 / step) * step),
  );
  const ticks = [];
  for (let n = 0; low + n * step <= high + 1e-9; n += 1) ticks.push(low + n * step);
  return { low, high, ticks };
}
