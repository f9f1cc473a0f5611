// Elements and numbers, as the page writes them.

import { isDark } from './view.js';

/** The element of this id. */
export const at = id => document.getElementById(id);

/** A new element, maybe with a class: properties, then children. Text is only ever text. */
export function el(kind, properties = {}, ...children) {
  const svg = kind.startsWith('svg:'), [name, className] = kind.split('.');
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', name.slice(4)) : document.createElement(name);
  if (className) node.className = className;
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style') Object.assign(node.style, value);
    else if (key in node && !svg && key !== 'list') node[key] = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** Puts `text` there if another one is there. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A table with a caption for those who do not see it. A head with # is of numbers. */
export function table(caption, heads, rows) {
  const kind = head => head.startsWith('#') ? '.number' : '';
  const cell = (value, index) => el((index ? 'td' : 'th') + kind(heads[index]), index ? {} : { scope: 'row' }, value);
  return el('table', {},
    el('caption.hidden', {}, caption),
    el('thead', {}, el('tr', {}, heads.map(head => el('th' + kind(head), { scope: 'col' }, head.replace('#', ''))))),
    el('tbody', {}, rows.map(row => el('tr', {}, row.map(cell)))));
}

/** What protobuf's JSON and ours call a number; NaN for what is none. */
export const number = value => typeof value === 'string' ? Number(value) : value ?? NaN;

const known = value => Number.isFinite(value);
export const percent = (value, digits = 2) => known(value) ? (100 * value).toFixed(digits) + ' %' : '–';
export const loss = value => known(value) ? value.toFixed(4) : Number.isNaN(value) ? '–' : String(value);
export const whole = value => known(value) ? Math.round(value).toLocaleString('en') : '–';
export const rate = value => known(value) ? String(Number(value.toPrecision(4))) : '–';

/** 42 s, 3 min 07 s, 2 h 05 min, 3 d 4 h. */
export function duration(seconds) {
  if (!known(seconds)) return '–';
  const two = value => String(Math.floor(value)).padStart(2, '0');
  if (seconds < 9.95) return seconds.toFixed(1) + ' s';
  const s = Math.round(seconds);
  if (s < 60) return s + ' s';
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

/** The time of day, with the date unless it is today. */
export function clock(at) {
  const date = new Date(1000 * at), today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString('en-GB');
  return today ? time : date.toLocaleDateString('en-CA') + ' ' + time;
}

/** 0, 1, 2, 5 as 0–2, 5. */
export function ranges(numbers) {
  const parts = [];
  for (const next of numbers) {
    const last = parts.at(-1);
    if (last && last[1] === next - 1) last[1] = next; else parts.push([next, next]);
  }
  return parts.map(([from, to]) => from === to ? from : `${from}–${to}`).join(', ');
}

/** What was lost before a generation, in words; nothing if nothing was. */
export const lostBefore = (of, generation) => of.recoveries.filter(recovery => recovery.generation === generation).map(recovery => recovery.kind).join('; ');

const colours = new Map();

/** A colour of the theme in use, as a canvas takes it. */
export function colour(name) {
  const key = name + isDark(), node = at('alerts-said');
  if (!colours.has(key)) {
    node.style.color = `var(--${name})`;
    colours.set(key, getComputedStyle(node).color);
  }
  return colours.get(key);
}
