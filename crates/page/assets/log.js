// What happened, in words.

import { at, clock, el, say, whole } from './dom.js';
import { chosen } from './now.js';
import { choose, view } from './view.js';

const SHOWN = 500;

export function showLog() {
  const of = chosen();
  if (!of) return;
  const wanted = view.f.toLowerCase();
  const found = wanted ? of.events.filter(event => event.text.toLowerCase().includes(wanted)) : of.events;
  const some = found.slice(-SHOWN).reverse();
  at('events-list').replaceChildren(...some.map(event => el('li', {}, el('time', { dateTime: new Date(1000 * event.at).toISOString() }, clock(event.at)), ' ', el('span', {}, event.text))));
  if (!some.length) at('events-list').append(el('li.quiet', {}, wanted ? 'Nothing with that in it.' : 'Nothing has happened yet.'));
  const left = of.left + found.length - some.length;
  say(at('events-count'), `${whole(found.length)} ${found.length === 1 ? 'event' : 'events'}${left > 0 ? `, the newest ${whole(some.length)} shown` : ''}`);
  if (at('filter').value !== view.f) at('filter').value = view.f;
}

export function listenToLog() {
  at('filter').addEventListener('input', event => choose({ f: event.target.value }));
}
