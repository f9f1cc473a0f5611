// What is happening and why, at a glance.

import { at, colour, duration, el, loss, number, percent, rate, say, table, whole } from './dom.js';
import { inTitle } from './alerts.js';
import { store } from './store.js';
import { choose, view } from './view.js';

const MARKS = { training: '▶', evaluating: '◉', waiting: '…', forming: '↻', saving: '⤓', stopping: '◼', finished: '✓', stopped: '◼', failed: '✕', unknown: '?' };
const OVER = ['finished', 'stopped', 'failed'];

/** The run that is shown in full: of several, the one that a person chose. */
export const chosen = () => store.runs[view.run] ?? store.runs[0];

/** Epochs done, as a number with a fraction. */
export function done(of) {
  const { run, epochs } = of;
  const last = epochs.epoch.length ? epochs.epoch.at(-1) + 1 : 0;
  if (!run || !run.steps_per_epoch) return last;
  return Math.max(last, run.epoch + (run.step < run.steps_per_epoch ? run.step / run.steps_per_epoch : 1));
}

export const total = of => of.about?.config?.epochs ?? of.epochs.epoch.length;
export const classes = of => of.about?.config?.dataset?.classes ?? [];
export const isOver = run => OVER.includes(run?.state);

function tiles(of) {
  const { run, epochs } = of;
  const members = run.workers.filter(worker => worker.rank !== null).length;
  const spare = run.workers.length - members;
  const last = epochs.test_accuracy.at(-1);
  const best = number(run.best_accuracy);
  const over = isOver(run);
  // After the end, what an epoch in progress would have is that of the last one.
  const now = name => number(run[name] ?? epochs[name].at(-1));
  const speed = number(run.images_per_second) || (over ? number(epochs.images_per_second.at(-1)) : 0);
  return [
    ['Test accuracy', percent(number(last)), Number.isFinite(best) ? `best ${percent(best)}` : 'after the first epoch'],
    ['Train accuracy', percent(now('train_accuracy')), over ? 'of the last epoch' : 'of the epoch so far'],
    ['Train loss', loss(now('train_loss')), epochs.test_loss.length ? `test ${loss(number(epochs.test_loss.at(-1)))}` : 'test after the first epoch'],
    ['Learning rate', rate(number(run.learning_rate)), of.about?.config?.schedule?.kind ?? ''],
    ['Images a second', speed ? whole(speed) : '–', over ? 'as last measured' : 'by all workers'],
    ['Workers', over && !members ? '–' : String(members), spare ? `and ${spare} that wait or prepare` : `generation ${run.generation}`],
    [over ? 'Took' : 'At work for', duration(number(run.wall_seconds)), of.recoveries.length ? `${of.recoveries.length} ${of.recoveries.length === 1 ? 'failure' : 'failures'} survived` : 'no failures'],
  ];
}

export function showNow() {
  const of = chosen();
  if (!of?.run) return;
  const { run } = of;
  document.body.classList.toggle('stale', !store.connected);
  const share = Math.min(1, done(of) / (total(of) || 1)), hundredth = Math.floor(100 * share);
  say(at('run-name'), store.runs.length > 1 ? `${store.runs.length} runs` : of.about.name);
  at('pill').dataset.state = run.state;
  const goes = ['training', 'evaluating'].includes(run.state);
  say(at('pill'), `${MARKS[run.state] ?? '?'} ${goes ? hundredth + ' %' : run.state}`);
  say(at('state-word'), store.runs.length > 1 ? `${of.about.name}: ${run.state}` : run.state[0].toUpperCase() + run.state.slice(1));
  // The word before it and the line below say the rest.
  say(at('reason'), run.reason.replace(RegExp(`^${run.state} `), '').replace(/^epoch \d+ of \d+(; )?|^all \d+ epochs are done$/, ''));
  at('progress').setAttribute('aria-valuenow', hundredth);
  at('progress').firstElementChild.style.width = 100 * share + '%';
  at('progress').dataset.state = run.state;
  const [where, left] = at('where').children;
  const epoch = Math.min(run.epoch + 1, total(of) || run.epoch + 1);

  if (isOver(run) || !store.about.live) say(where, `${whole(of.epochs.epoch.length)} of ${whole(total(of))} epochs done`);
  else say(where, `Epoch ${whole(epoch)} of ${whole(total(of))} · step ${whole(run.step)} of ${whole(run.steps_per_epoch)}`);
  const rest = number(run.seconds_left);
  say(left, isOver(run) || !Number.isFinite(rest) ? '' : `about ${duration(rest)} left`);
  const shown = tiles(of);
  const list = at('tiles');
  if (list.children.length !== shown.length) list.replaceChildren(...shown.map(() => el('div', {}, el('dt'), el('dd'), el('small'))));
  shown.forEach(([name, value, note], index) => {
    const [dt, dd, small] = list.children[index].children;
    say(dt, name);
    say(dd, value);
    say(small, note);
  });
  title(run, hundredth);
  banner(run);
}

let drawn = '';
function title(run, hundredth) {
  const text = inTitle() + `${MARKS[run.state] ?? '?'} ${hundredth} % ${run.state} – coxswain`;
  if (document.title !== text) document.title = text;
  const key = run.state + hundredth;
  if (drawn === key) return;
  drawn = key;
  const stroke = { failed: '#D55E00', finished: '#009E73', waiting: '#E69F00', forming: '#E69F00' }[run.state] ?? '#0072B2';
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='6' fill='none' stroke='#8888' stroke-width='3'/>` +
    `<circle cx='8' cy='8' r='6' fill='none' stroke='${stroke}' stroke-width='3' transform='rotate(-90 8 8)' pathLength='100' stroke-dasharray='${hundredth} 100'/></svg>`;
  at('icon').href = 'data:image/svg+xml,' + encodeURIComponent(svg);
}

function banner(run) {
  const node = at('banner');
  node.hidden = store.connected;
  if (store.connected) return;
  say(node, isOver(run) ? 'The coordinator has ended. What you see is its last word.' : 'Connection lost: trying again. What you see is the last that was heard.');
}

/** Several runs as a table. */
export function showComparison(hidden, toggle) {
  const node = at('compare');
  node.hidden = store.runs.length < 2;
  if (node.hidden) return;
  const values = of => [
    String(of.epochs.epoch.length),
    percent(Math.max(0, ...of.epochs.test_accuracy.map(number))),
    percent(number(of.epochs.test_accuracy.at(-1))),
    loss(number(of.epochs.test_loss.at(-1))),
    loss(number(of.epochs.train_loss.at(-1))),
    duration(of.epochs.seconds.reduce((sum, seconds) => sum + number(seconds), 0)),
    of.about.config?.model ?? '–',
    of.run.state,
  ];
  const heads = ['Run', '#Epochs', '#Best accuracy', '#Last accuracy', '#Test loss', '#Train loss', '#Trained for', 'Model', 'End'];
  const rows = store.runs.map((of, index) => [[
    el('input', { type: 'checkbox', checked: !hidden.has(index), onchange: () => toggle(index), ariaLabel: `Curves of ${of.about.name}` }),
    el('i.swatch', { style: { background: colour('run-' + index % 7) } }),
    el('button.name', { ariaPressed: String(of === chosen()), title: 'Show this run below', onclick: () => choose({ run: index }) }, of.about.name)], ...values(of)]);
  node.replaceChildren(el('div.scroll', {}, table('Runs that are compared', heads, rows)));
}
