// The page: what is shown when, and what the keyboard does.

import { at, el, say } from './dom.js';
import { begin, onData, store } from './store.js';
import { choose, dress, goTo, hashOf, hidden, isDark, onView, view } from './view.js';
import { listenToAlerts, showAlerts } from './alerts.js';
import { chosen, showComparison, showNow } from './now.js';
import { showCurves } from './curves.js';
import { showCheckpoints, showGenerations, showWorkers } from './workers.js';
import { listenToClasses, showCell, showClasses } from './classes.js';
import { listenToModel, showGrid } from './model.js';
import { listenToLog, showLog } from './log.js';

const SECTIONS = [['now', 'Now'], ['curves', 'Curves'], ['workers', 'Workers'], ['classes', 'Classes'], ['model', 'Model'], ['checkpoints', 'Checkpoints'], ['events', 'Log']];
const KEYS = [['1 … 7', 'go to a section'], ['/', 'filter the log'], ['t', 'light or dark'], ['l', 'log axis'], ['s, S', 'smooth more, less'], ['m', 'marks'], ['x', 'along epochs or time'], ['Esc', 'close what is open'], ['double click', 'a chart in full again, after dragging over a part of it'], ['?', 'this help']];

function toggleRun(index) {
  const runs = hidden();
  if (!runs.delete(index)) runs.add(index);
  choose({ hide: [...runs].sort((a, b) => a - b).join('.') });
}

function compare() {
  const { about } = chosen() ?? {};
  say(at('ids'), about?.id ? `run ${about.id} in ${about.name}` : '');
  showComparison(hidden(), toggleRun);
  document.querySelectorAll('.of-run').forEach(node => say(node, store.runs.length > 1 ? 'of ' + about.name : ''));
}

onData(changed => {
  if (changed.has('about')) {
    compare();
    say(at('version'), `coxswain ${store.about.version}`);
    // Of several runs, and of one that is over, less is to be shown.
    at('workers-table').hidden = !store.about.live;
  }
  if (changed.has('alerts')) showAlerts();
  if (changed.has('run') || changed.has('epochs') || changed.has('history') || changed.has('alerts') || changed.has('connection')) showNow();
  if (changed.has('run') || changed.has('epochs') || changed.has('history')) showCurves();
  if (changed.has('run')) showWorkers();
  if (changed.has('history') || changed.has('epochs')) {
    showGenerations();
    showCheckpoints();
    showClasses();
  }
  if (changed.has('run')) showGrid();
  if (changed.has('events')) showLog();
});

function showControls() {
  at('smoothing').value = view.s;
  say(at('smoothing-value'), view.s ? view.s.toFixed(2) : 'off');
  at('log').checked = !!view.log;
  at('marks').checked = !!view.marks;
  at('x').value = view.x;
  at('curves-text').open = !!view.table;
  document.querySelectorAll('nav a').forEach(link => {
    link.hash = hashOf(link.dataset.at);
    link.toggleAttribute('aria-current', link.dataset.at === view.at);
  });
}

onView(changed => {
  const has = (...names) => names.some(name => changed.includes(name));
  showControls();
  if (has('theme')) dress();
  if (has('theme', 's', 'log', 'x', 'marks', 'hide', 'part', 'run')) showCurves();
  if (has('theme', 'hide', 'run')) compare();
  if (has('run')) [showAlerts, showNow, showWorkers, showGenerations, showCheckpoints, showLog].forEach(show => show());
  if (has('e', 'run')) showClasses();
  if (has('cell', 'run')) showCell();
  if (has('f')) showLog();
  if (has('from')) showGrid();
});

document.querySelector('nav').append(...SECTIONS.map(([id, name]) => el('a', { href: '#at=' + id, 'data-at': id }, name)));
at('keys').append(...KEYS.flatMap(([key, what]) => [el('dt', {}, key), el('dd', {}, what)]));
at('smoothing').addEventListener('input', event => choose({ s: Number(event.target.value) }));
at('log').addEventListener('change', event => choose({ log: Number(event.target.checked) }));
at('marks').addEventListener('change', event => choose({ marks: Number(event.target.checked) }));
at('x').addEventListener('change', event => choose({ x: event.target.value }));
const flipTheme = () => choose({ theme: isDark() ? 'light' : 'dark' });
at('theme').addEventListener('click', flipTheme);
at('help-open').addEventListener('click', () => at('help').showModal());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showCurves);

addEventListener('keydown', event => {
  const typing = event.target.closest('input:not([type=checkbox], [type=range]), select, textarea');
  if (event.key === 'Escape' && event.target === at('filter')) at('filter').blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const section = SECTIONS[Number(event.key) - 1];
  const smoother = by => choose({ s: Math.round(20 * Math.min(0.95, Math.max(0, view.s + by))) / 20 });
  const acts = {
    '/': () => { goTo('events'); at('filter').focus(); },
    '?': () => at('help').showModal(),
    t: flipTheme,
    l: () => choose({ log: 1 - view.log }),
    m: () => choose({ marks: 1 - view.marks }),
    x: () => choose({ x: view.x === 'epoch' ? 'time' : 'epoch' }),
    s: () => smoother(0.1),
    S: () => smoother(-0.1),
  };
  if (section) { choose({ at: section[0] }); goTo(section[0]); } else if (acts[event.key]) acts[event.key](); else return;
  event.preventDefault();
});

listenToAlerts(showNow);
listenToClasses();
listenToModel();
listenToLog();
showControls();
// What is there is drawn in the next frame.
begin().then(() => requestAnimationFrame(() => {
  goTo(view.at);
  if (view.cell) showCell();
}));
