// What somebody has to be told at once: what is in force, what was, and a mark that it is there.

import { at, clock, el, say } from './dom.js';
import { chosen, isOver } from './now.js';
import { goTo } from './view.js';

const SIGNS = { critical: '✕', warning: '!', info: 'i' };
const RANKS = ['critical', 'warning', 'info'];
/** Dismissed alerts that a browser remembers. */
const REMEMBERED = 200;

// A browser that keeps nothing still shows all.
function recall(key, otherwise) {
  try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
}
function keep(key, value) {
  try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* It is remembered as long as the page is open. */ }
}

let dismissed = new Set(recall('coxswain-dismissed', [])), marksTitle = recall('coxswain-mark-title', false) === true;
/** The newest alert that was read out; what was there when the page opened is not. */
let told = null;

const keyOf = (of, alert) => `${of.about?.id}/${alert.at}/${alert.kind}/${alert.worker ?? ''}`;

/** All alerts, the newest first: each begins once, and has the time of its end if it is over. */
function listed(of) {
  const begun = new Map(), all = [];
  for (const alert of of.alerts) {
    const key = alert.kind + '/' + (alert.worker ?? '');
    if (alert.status === 'resolved') {
      const before = begun.get(key);
      if (before) Object.assign(before, { ended: alert.at, end: alert.text });
      begun.delete(key);
    } else {
      const shown = { ...alert };
      begun.set(key, shown);
      all.push(shown);
    }
  }
  return all.reverse();
}

function dismiss(of, alerts) {
  alerts.forEach(alert => dismissed.add(keyOf(of, alert)));
  dismissed = new Set([...dismissed].slice(-REMEMBERED));
  keep('coxswain-dismissed', [...dismissed]);
  showAlerts();
  // The keyboard stays near.
  (at('alerts-list').querySelector('button') ?? at('alerts')).focus();
}

function item(of, alert, may) {
  const time = moment => el('time', { dateTime: new Date(1000 * moment).toISOString() }, clock(moment));
  return el('li', { className: alert.ended ? 'over' : '', 'data-severity': alert.severity },
    el('span.sign', { ariaHidden: 'true' }, alert.ended ? '✓' : SIGNS[alert.severity] ?? '!'),
    el('div', {},
      el('p', {}, el('span.hidden', {}, alert.ended ? 'Over: ' : alert.severity + ': '), el('b', {}, alert.text)),
      alert.ended ? el('p.quiet', {}, alert.end + ' ', time(alert.ended)) : alert.advice && el('p', {}, alert.advice)),
    time(alert.at),
    may && el('button', { ariaLabel: `Dismiss: ${alert.text}`, onclick: () => dismiss(of, [alert]) }, 'Dismiss'));
}

/** Reads out what is new, to those who do not see it. */
function announce(of) {
  const newest = of.alerts.at(-1)?.number ?? -1;
  const fresh = told === null ? [] : of.alerts.filter(alert => alert.number > told);
  told = newest;
  for (const [id, urgent] of [['alerts-urgent', true], ['alerts-said', false]]) {
    const texts = fresh.filter(alert => (alert.severity === 'critical' && alert.status === 'firing') === urgent).map(alert => alert.text);
    if (texts.length) say(at(id), texts.join('. '));
  }
}

/** How many are in force or new, for the title of a page whose reader wants that. */
export const inTitle = () => marksTitle && Number(at('alerts-open').dataset.count) ? `(${at('alerts-open').dataset.count}) ` : '';

export function showAlerts() {
  const of = chosen();
  if (!of?.run) return;
  announce(of);
  const all = listed(of);
  const open = all.filter(alert => !dismissed.has(keyOf(of, alert)));
  const some = [...open.filter(alert => !alert.ended), ...open.filter(alert => alert.ended)];
  const rest = all.filter(alert => dismissed.has(keyOf(of, alert)));
  at('alerts').hidden = !all.length;
  at('alerts-all').hidden = some.length < 2;
  at('alerts-all').onclick = () => dismiss(of, some);
  at('alerts-list').replaceChildren(...some.map(alert => item(of, alert, true)));
  if (!some.length) at('alerts-list').append(el('li.quiet', {}, isOver(of.run) ? 'Nothing more to be told.' : 'Nothing is wrong that you have not dismissed.'));
  at('alerts-earlier').hidden = !rest.length;
  say(at('alerts-earlier').firstElementChild, `Dismissed (${rest.length})`);
  at('alerts-earlier').lastElementChild.replaceChildren(...rest.map(alert => item(of, alert, false)));
  const mark = at('alerts-open'), count = some.filter(alert => !alert.ended).length;
  const worst = RANKS.find(severity => some.some(alert => !alert.ended && alert.severity === severity));
  mark.hidden = !count;
  mark.dataset.count = count;
  mark.dataset.severity = worst ?? 'info';
  say(mark.firstElementChild, `${SIGNS[worst] ?? 'i'} ${count}`);
  say(mark.lastElementChild, `${count} ${count === 1 ? 'alert' : 'alerts'}`);
}

export function listenToAlerts(again) {
  at('alerts-open').addEventListener('click', () => goTo('alerts'));
  at('alerts-title').checked = marksTitle;
  at('alerts-title').addEventListener('change', event => {
    marksTitle = event.target.checked;
    keep('coxswain-mark-title', marksTitle);
    again();
  });
}
