// What a person has chosen to see. All of it is in the URL.

const defaults = { s: 0, log: 0, x: 'epoch', marks: 1, e: 0, f: '', theme: '', at: '', from: 0, hide: '', run: 0, part: '', cell: '', table: 0 };

/** The choices: s smoothing, log axis, x along, marks, e epoch (0: latest), f filter, theme, at section, from image, hide runs, run in full,
    part of the curves, cell of the matrix, table of figures. */
export const view = { ...defaults };

const listeners = [];
/** Calls back with the names of what has changed. */
export const onView = listener => listeners.push(listener);

function parse() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const read = { ...defaults };
  for (const [key, value] of asked) {
    if (!(key in defaults)) continue;
    if (typeof defaults[key] === 'string') read[key] = value;
    else if (Number.isFinite(Number(value))) read[key] = Number(value);
  }
  read.s = Math.min(0.95, Math.max(0, read.s));
  if (read.x !== 'time') read.x = 'epoch';
  if (!['dark', 'light'].includes(read.theme)) read.theme = '';
  return read;
}

function take(next) {
  const changed = Object.keys(defaults).filter(key => view[key] !== next[key]);
  Object.assign(view, next);
  if (changed.length) listeners.forEach(listener => listener(changed));
}

/** Chooses, and writes it into the URL. */
export function choose(choices) {
  const next = { ...view, ...choices };
  // Epochs are no seconds.
  if (next.x !== view.x) next.part = '';
  const chosen = Object.entries(next).filter(([key, value]) => value !== defaults[key]);
  const hash = new URLSearchParams(chosen.map(([key, value]) => [key, String(value)])).toString();
  history.replaceState(null, '', hash ? '#' + hash : location.pathname + location.search);
  take(next);
}

/** The runs whose curves are not shown. */
export const hidden = () => new Set(view.hide.split('.').filter(Boolean).map(Number));

/** The hash with another section in it, for links. */
export function hashOf(section) {
  const chosen = Object.entries({ ...view, at: section }).filter(([key, value]) => value !== defaults[key]);
  return '#' + new URLSearchParams(chosen.map(([key, value]) => [key, String(value)]));
}

/** Shows light or dark, as chosen or as the system has it. */
export function dress() {
  document.documentElement.dataset.theme = view.theme;
}

export const isDark = () => view.theme ? view.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;

Object.assign(view, parse());
dress();
addEventListener('hashchange', () => {
  const next = parse();
  take(next);
  goTo(next.at);
});

/** Brings a section into sight, and the keyboard to it. */
export function goTo(section) {
  const target = section && document.querySelector(`main > section#${CSS.escape(section)}`);
  if (!target) return;
  target.scrollIntoView({ block: 'start' });
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}
