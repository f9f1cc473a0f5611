// Workers, generations on a time line, checkpoints.

import { at, clock, colour, duration, el, lostBefore, number, percent, ranges, table, whole } from './dom.js';
import { store } from './store.js';
import { chosen, isOver } from './now.js';

function health(worker) {
  if (worker.back_in_seconds !== null && worker.set_aside) return ['bad', '✕', `set aside: ${worker.set_aside}; tried again in ${duration(worker.back_in_seconds)}`];
  if (worker.preparing) return ['wait', '…', 'prepares'];
  if (worker.last_seen_ms > 3000) return ['wait', '!', `silent for ${duration(worker.last_seen_ms / 1000)}`];
  if (worker.rank === null) return ['wait', '○', 'spare'];
  if (worker.strikes) return ['wait', '!', `${worker.strikes} failures in a row; last: ${worker.set_aside}`];
  return ['good', '✓', 'well'];
}

function split(worker) {
  const compute = number(worker.compute_seconds), wait = number(worker.wait_seconds), all = compute + wait;
  if (!(all > 0)) return '–';
  return el('span', { className: 'split', title: `computes ${(1000 * compute).toFixed(0)} ms, waits ${(1000 * wait).toFixed(0)} ms of a step` },
    el('i', {}, el('i', { style: { width: 100 * compute / all + '%' } })), `${(1000 * compute).toFixed(0)} + ${(1000 * wait).toFixed(0)} ms`);
}

export function showWorkers() {
  const { run } = chosen() ?? {};
  if (!run) return;
  const members = run.workers.filter(worker => worker.rank !== null).length;
  const shards = run.workers.reduce((sum, worker) => sum + worker.shards.length, 0);
  const heads = [{ name: 'Worker' }, { name: 'Device' }, { name: 'Rank', number: true }, { name: 'Shards' }, { name: 'Images/s', number: true }, { name: 'Computes + waits, a step' }, { name: 'Last sign', number: true }, { name: 'Health' }];
  const rows = run.workers.map(worker => {
    const [kind, sign, text] = health(worker);
    const rate = members && shards ? number(run.images_per_second) * worker.shards.length / shards : NaN;
    return [el('b', {}, worker.name), el('span', { title: worker.device_name }, worker.device), worker.rank ?? '–', ranges(worker.shards) || '–', rate ? whole(rate) : '–', split(worker),
      worker.last_seen_ms < 1000 ? 'now' : duration(worker.last_seen_ms / 1000) + ' ago', el('span', { className: 'health ' + kind }, el('span', { ariaHidden: 'true' }, sign + ' '), text)];
  });
  const empty = isOver(run) ? 'The run is over: no worker is attached.' : 'No worker is attached yet. Start one with: worker --coordinator URL';
  at('workers-table').replaceChildren(rows.length ? table('Workers', heads, rows) : el('p', { className: 'quiet' }, empty));
}

const ROWS = 16, ROW = 22, TOP = 6;

/** A line for each worker: from when to when it was a member, and where a failure was survived. */
export function showGenerations() {
  const of = chosen();
  const node = at('generations');
  if (!of?.generations.length) {
    node.replaceChildren(el('h3', {}, 'Generations'), el('p', { className: 'quiet' }, 'None has been formed yet.'));
    return;
  }
  const list = of.generations, begin = list[0].at;
  const saved = of.checkpoints.at(-1)?.at ?? 0;
  const end = Math.max(list.at(-1).at, saved, isOver(of.run) || !store.about.live ? 0 : Date.now() / 1000, begin + 1);
  const names = [...new Set(list.flatMap(generation => generation.members))];
  const some = names.slice(0, ROWS);
  const x = moment => 100 * (moment - begin) / (end - begin);
  const bars = list.flatMap((generation, index) => {
    const until = list[index + 1]?.at ?? end;
    const failure = lostBefore(of, generation.generation);
    const title = `Generation ${generation.generation}, ${clock(generation.at)}: ${generation.members.length} members. ${failure || generation.reason}`;
    const of_members = generation.members.filter(name => some.includes(name)).map(name => el('svg:rect', {
      x: x(generation.at) + '%', width: Math.max(0.15, x(until) - x(generation.at)) + '%', y: TOP + ROW * some.indexOf(name), height: ROW - 6, rx: 2,
      class: index % 2 ? 'bar odd' : 'bar',
    }, el('svg:title', {}, title)));
    const edge = index ? el('svg:line', { x1: x(generation.at) + '%', x2: x(generation.at) + '%', y1: 0, y2: TOP + ROW * some.length, class: failure ? 'edge bad' : 'edge' }, el('svg:title', {}, title)) : null;
    return [...of_members, edge];
  });
  const height = TOP + ROW * some.length;
  const rows = list.slice(-200).reverse().map(generation => [String(generation.generation), clock(generation.at), generation.members.join(', '), lostBefore(of, generation.generation) || generation.reason]);
  const open = node.querySelector('details')?.open;
  node.replaceChildren(
    el('h3', {}, 'Generations ', el('small', { className: 'quiet' }, `${of.before ? 'the newest ' : ''}${list.length} in ${duration(end - begin)}${names.length > ROWS ? `; ${ROWS} of ${names.length} workers` : ''}`)),
    el('div', { className: 'timeline', ariaHidden: 'true' },
      el('div', { className: 'names' }, some.map(name => el('span', {}, name))),
      el('svg:svg', { height, width: '100%', role: 'img' }, bars),
      el('div', { className: 'ends' }, el('span', {}, clock(begin)), el('span', {}, clock(end)))),
    el('details', { open }, el('summary', {}, 'The same as a table'), el('div', { className: 'scroll' }, table('Generations, newest first', [{ name: 'Generation', number: true }, { name: 'Formed' }, { name: 'Members' }, { name: 'Why' }], rows))));
}

export function showCheckpoints() {
  const of = chosen(), node = at('checkpoints-table');
  if (!of) return;
  const steps = of.run?.steps_per_epoch || 1;
  if (!of.checkpoints.length) {
    node.replaceChildren(el('p', { className: 'quiet' }, 'None yet: the first comes at the end of the first epoch.'));
    return;
  }
  const rows = of.checkpoints.slice(-100).reverse().map(({ name, steps_done, at }) => {
    const epochs = steps_done / steps, place = Number.isInteger(epochs) ? of.epochs.epoch.indexOf(epochs - 1) : -1;
    const badges = [name === of.run.checkpoint && 'newest', name === of.run.best_checkpoint && '★ best'].filter(Boolean);
    return [el('code', {}, name), badges.map(badge => el('span', { className: 'badge' }, badge)), whole(steps_done), Number(epochs.toFixed(2)), place < 0 ? '–' : percent(number(of.epochs.test_accuracy[place])), clock(at)];
  });
  node.replaceChildren(table('Checkpoints that were written, newest first', [{ name: 'Checkpoint' }, { name: '' }, { name: 'Step', number: true }, { name: 'Epochs', number: true }, { name: 'Test accuracy', number: true }, { name: 'Written', number: true }], rows),
    el('p', { className: 'quiet' }, 'Older ones may have been removed since: --keep says how many stay.'));
}
