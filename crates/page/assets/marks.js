// What happened to a run, as marks along its epochs.

import { lostBefore, number } from './dom.js';
import { done } from './now.js';

/** Where a moment is on the axis of epochs: between what is known of both, in a straight line. */
export function clockOf(of) {
  const steps = of.run?.steps_per_epoch || 1;
  const knots = [];
  const begin = of.generations[0]?.at;
  if (begin) knots.push([begin, 0]);
  for (const { at, steps_done } of of.checkpoints) knots.push([at, steps_done / steps]);
  knots.sort((a, b) => a[0] - b[0]);
  const last = of.epochs.epoch.length ? of.epochs.epoch.at(-1) + 1 : done(of);
  return moment => {
    const place = knots.findIndex(([at]) => at >= moment);
    if (place < 0) return knots.at(-1)?.[1] ?? last;
    if (place === 0) return knots[0][1];
    const [[a, x], [b, y]] = [knots[place - 1], knots[place]];
    return b > a ? x + (y - x) * (moment - a) / (b - a) : y;
  };
}

function rates(of) {
  const { epoch, learning_rate, note } = of.epochs;
  const found = [];
  for (let i = 0; i < epoch.length; i++) {
    const before = number(learning_rate[i - 1]), now = number(learning_rate[i]);
    const moved = i > 0 && Math.abs(now - before) > 0.01 * Math.abs(before);
    if (note[i]) found.push({ kind: 'rate', x: epoch[i] + 1, text: note[i] });
    else if (moved && !note[i - 1]) found.push({ kind: 'rate', x: epoch[i], text: `learning rate ${number(before.toPrecision(3))} → ${number(now.toPrecision(3))}` });
  }
  // A rate that moves all the time has a curve of its own.
  return found.length > Math.max(4, epoch.length / 4) ? [] : found;
}

function generations(of, clock) {
  const found = [];
  of.generations.forEach((next, index) => {
    const before = of.generations[index - 1];
    const failure = of.recoveries.find(recovery => recovery.generation === next.generation);
    if (failure) {
      const took = failure.resumed_ms === null ? '' : `, went on after ${((failure.detected_ms + failure.resumed_ms) / 1000).toFixed(1)} s`;
      found.push({ kind: 'recovery', x: clock(next.at), text: lostBefore(of, next.generation) + took });
    } else if (before) {
      const joined = next.members.filter(name => !before.members.includes(name));
      if (joined.length) found.push({ kind: 'join', x: clock(next.at), text: `${joined.join(', ')} joined` });
    }
  });
  return found;
}

/** All marks of a run, by their place. Each has a kind, a place in epochs and words. */
export function marksOf(of) {
  const clock = clockOf(of), steps = of.run?.steps_per_epoch || 1;
  const saved = of.checkpoints.map(({ name, steps_done }) => ({ kind: 'checkpoint', x: steps_done / steps, text: name }));
  const best = of.epochs.test_accuracy.reduce((best, value, i) => number(value) > number(of.epochs.test_accuracy[best]) || best < 0 ? i : best, -1);
  const all = [...saved, ...rates(of), ...generations(of, clock)];
  if (best >= 0) all.push({ kind: 'best', x: of.epochs.epoch[best] + 1, text: `best test accuracy: ${(100 * of.epochs.test_accuracy[best]).toFixed(2)} %` });
  return all.sort((a, b) => a.x - b.x);
}

/** The most telling first. */
export const KINDS = {
  best: { name: 'best', sign: '★', colour: 'c-best' },
  recovery: { name: 'recovery', sign: '✕', colour: 'c-bad', dash: [] },
  join: { name: 'join', sign: '+', colour: 'c-good', dash: [5, 3] },
  rate: { name: 'rate change', sign: '↘', colour: 'c-rate', dash: [2, 3] },
  checkpoint: { name: 'checkpoint', sign: '▴', colour: 'muted' },
};
