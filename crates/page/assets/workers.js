// Workers, generations on a time line, checkpoints.

import { at, clock, duration, el, lostBefore, number, percent, ranges, table, whole } from './dom.js';
import { checkpoints, store } from './store.js';
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
  return el('span.split', { title: `computes ${(1000 * compute).toFixed(0)} ms, waits ${(1000 * wait).toFixed(0)} ms of a step` },
    el('i', {}, el('i', { style: { width: 100 * compute / all + '%' } })), `${(1000 * compute).toFixed(0)} + ${(1000 * wait).toFixed(0)} ms`);
}

export function showWorkers() {
  const { run } = chosen() ?? {};
  if (!run) return;
  const members = run.workers.filter(worker => worker.rank !== null).length;
  const shards = run.workers.reduce((sum, worker) => sum + worker.shards.length, 0);
  const heads = ['Worker', 'Device', '#Rank', 'Shards', '#Images/s', 'Computes + waits, a step', '#Last sign', 'Health'];
  const rows = run.workers.map(worker => {
    const [kind, sign, text] = health(worker);
    const rate = members && shards ? number(run.images_per_second) * worker.shards.length / shards : NaN;
    return [el('b', {}, worker.name), el('span', { title: worker.device_name }, worker.device), worker.rank ?? '–', ranges(worker.shards) || '–', rate ? whole(rate) : '–', split(worker),
      worker.last_seen_ms < 1000 ? 'now' : duration(worker.last_seen_ms / 1000) + ' ago', el('span', { className: 'health ' + kind }, el('span', { ariaHidden: 'true' }, sign + ' '), text)];
  });
  const empty = isOver(run) ? 'The run is over: no worker is attached.' : 'No worker is attached yet. Start one with: worker --coordinator URL';
  at('workers-table').replaceChildren(rows.length ? table('Workers', heads, rows) : el('p.quiet', {}, empty));
}

const ROWS = 16, ROW = 22, TOP = 6;

/** A line for each worker: from when to when it was a member, and where a failure was survived. */
export function showGenerations() {
  const of = chosen();
  const node = at('generations');
  if (!of?.generations.length) {
    node.replaceChildren(el('h3', {}, 'Generations'), el('p.quiet', {}, 'None has been formed yet.'));
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
    el('h3', {}, 'Generations ', el('small.quiet', {}, `${of.before ? 'the newest ' : ''}${list.length} in ${duration(end - begin)}${names.length > ROWS ? `; ${ROWS} of ${names.length} workers` : ''}`)),
    el('div.timeline', { ariaHidden: 'true' },
      el('div.names', {}, some.map(name => el('span', {}, name))),
      el('svg:svg', { height, width: '100%', role: 'img' }, bars),
      el('div.ends', {}, el('span', {}, clock(begin)), el('span', {}, clock(end)))),
    el('details', { open }, el('summary', {}, 'The same as a table'), el('div.scroll', {}, table('Generations, newest first', ['#Generation', 'Formed', 'Members', 'Why'], rows))));
}

/** The checkpoints that are on disk, and how many are not any more; nothing where the list cannot be had. */
let saved = null, seen = false, asking = false;

async function askCheckpoints() {
  if (!seen || asking || !store.about?.live) return;
  asking = true;
  const all = await checkpoints().catch(() => null);
  if (all) {
    const disk = all.filter(checkpoint => checkpoint.on_disk);
    saved = { disk, removed: all.length - disk.length };
    showCheckpoints();
  }
  // Longer for longer lists.
  setTimeout(() => { asking = false; }, 2000 + 5 * (all?.length ?? 1000));
}

/** All on disk, where that is known. The best one is always there. */
export function showCheckpoints() {
  askCheckpoints();
  const of = chosen(), node = at('checkpoints-table');
  if (!of) return;
  const { run } = of, steps = run?.steps_per_epoch || 1;
  const list = saved?.disk ?? of.checkpoints, best = saved ? list.find(({ best }) => best)?.name : run.best_checkpoint;
  const some = list.filter(({ name }, i) => i >= list.length - 100 || name === best).reverse();
  if (best && !some.some(({ name }) => name === best)) some.push({ name: best, steps_done: Number(best.split('-')[1]), accuracy: number(run.best_accuracy) });
  if (!some.length) {
    node.replaceChildren(el('p.quiet', {}, 'None yet: the first comes at the end of the first epoch.'));
    return;
  }
  const newest = saved ? some[0].name : run.checkpoint;
  const rows = some.map(({ name, steps_done, at, accuracy }) => {
    const epochs = steps_done / steps, place = Number.isInteger(epochs) ? of.epochs.epoch.indexOf(epochs - 1) : -1;
    const badges = [name === newest && 'newest', name === best && '★ best'].filter(Boolean);
    return [el('code', {}, name), badges.map(badge => el('span.badge', {}, badge)), whole(steps_done), Number(epochs.toFixed(2)), percent(accuracy ?? number(of.epochs.test_accuracy[place])), at ? clock(at) : '–'];
  });
  const older = list.length - some.length, removed = saved?.removed;
  const rest = [older > 0 && `${whole(older)} older`, removed && `${whole(removed)} that ${removed === 1 ? 'was' : 'were'} removed`].filter(Boolean).join(' and ');
  node.replaceChildren(table(`Checkpoints ${saved ? 'on disk' : 'that were written'}, newest first`, ['Checkpoint', '', '#Step', '#Epochs', '#Test accuracy', '#Written'], rows),
    el('p.quiet', {}, rest && `And ${rest}. `, !saved && 'Older ones may have been removed since: --keep says how many stay.'));
}

new IntersectionObserver(([{ isIntersecting }]) => {
  seen = isIntersecting;
  askCheckpoints();
}).observe(at('checkpoints'));
