// How well each class is told, and which are taken for which.

import { at, el, percent, say, table, whole } from './dom.js';
import { ask } from './store.js';
import { chosen, classes } from './now.js';
import { choose, view } from './view.js';
import { picture } from './model.js';

/** Classes of a matrix that has its counts written in it. */
const WRITTEN = 24;

let shown = '', busy = false;

/** Asks for the chosen epoch, if another one is shown. */
export async function showClasses() {
  const of = chosen();
  if (!of) return;
  const { epoch: done } = of.epochs, slider = at('epoch');
  const epoch = view.e && done.includes(view.e - 1) ? view.e : done.length ? done.at(-1) + 1 : 0;
  slider.disabled = !done.length;
  slider.min = done.length ? done[0] + 1 : 1;
  slider.max = done.length ? done.at(-1) + 1 : 1;
  slider.value = epoch;
  say(at('epoch-value'), epoch ? String(epoch) : '–');
  at('epoch-last').disabled = !view.e;
  const key = `${view.run} ${epoch} ${of.epochs.test_loss.at(epoch - 1 - (done[0] ?? 0))}`;
  if (!epoch) {
    const later = (id, name) => at(id).replaceChildren(el('h3', {}, name), el('p.quiet', {}, 'Known after the first epoch.'));
    later('per-class', 'Accuracy of each class');
    later('confusion', 'Taken for');
  }
  if (!epoch || busy || key === shown) return;
  busy = true;
  try {
    const found = await ask(`confusion?run=${view.run}&epoch=${epoch - 1}`);
    shown = key;
    draw(of, found);
  } catch { /* The banner tells of a coordinator that is gone. */ }
  busy = false;
  // Another may have been chosen meanwhile.
  if (shown === key) showClasses();
}

function draw(of, { counts, accuracy, classes: side }) {
  const names = classes(of).length === side ? classes(of) : [...Array(side).keys()].map(String);
  const order = names.map((name, i) => i);
  if (side > WRITTEN) order.sort((a, b) => accuracy[a] - accuracy[b]);
  const mean = accuracy.reduce((sum, value) => sum + value, 0) / side;
  at('per-class').replaceChildren(el('h3', {}, 'Accuracy of each class ', el('small.quiet', {}, side > WRITTEN ? 'the lowest first' : `mean ${percent(mean)}`)),
    el('div', { className: side > WRITTEN ? 'tall' : '' }, el('table.bars', {}, el('caption.hidden', {}, 'Accuracy of each class'),
      el('tbody', {}, order.map(i => el('tr', {}, el('th', { scope: 'row' }, names[i]),
        el('td.fill', {}, el('i', { style: { width: 100 * accuracy[i] + '%' } })), el('td.number', {}, percent(accuracy[i], 1))))))));
  const can = of.about.model && of.about.images;
  at('confusion').replaceChildren(
    el('h3', {}, 'Taken for ', el('small.quiet', {}, can ? 'rows are the truth; a cell opens its pictures' : 'rows are the truth, columns the answers')),
    side > WRITTEN ? canvas(names, counts, side) : matrix(names, counts, side, can),
    el('details', { open: side > WRITTEN }, el('summary', {}, 'Most confused'), confused(names, counts, side, can)));
}

const short = name => name.length > 5 ? name.slice(0, 4) + '.' : name;

function matrix(names, counts, side, can) {
  const rows = names.map((name, truth) => {
    const row = counts.slice(side * truth, side * (truth + 1)), all = row.reduce((sum, count) => sum + count, 0) || 1;
    const cells = row.map((count, answer) => {
      const right = truth === answer, share = count / all;
      const says = `${count} of ${all} ${name}: ${right ? 'told rightly' : 'taken for ' + names[answer]}`;
      const td = el('td', { className: right ? 'right' : 'wrong' + (count ? '' : ' none'), title: says },
        can && count ? el('button', { ariaLabel: says, onclick: () => openCell(truth, answer) }, whole(count)) : whole(count));
      td.style.setProperty('--share', Math.round(100 * (right ? share : Math.sqrt(share))) + '%');
      return td;
    });
    return el('tr', {}, el('th', { scope: 'row' }, name), cells);
  });
  return el('table.matrix', { onkeydown: walk }, el('caption.hidden', {}, 'Rows are the truth, columns the answers'),
    el('thead', {}, el('tr', {}, el('td'), names.map(name => el('th', { scope: 'col', title: name }, el('abbr', { title: name }, short(name)))))), el('tbody', {}, rows));
}

/** The arrow keys go from cell to cell. */
function walk(event) {
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest('td');
  if (!move || !cell) return;
  event.preventDefault();
  let [row, column] = [cell.parentElement.rowIndex, cell.cellIndex];
  const rows = cell.closest('table').rows;
  for (;;) {
    row += move[0]; column += move[1];
    const next = rows[row]?.cells[column];
    if (!next || row < 1 || column < 1) return;
    const button = next.querySelector('button');
    if (button) return button.focus();
  }
}

function canvas(names, counts, side) {
  const node = el('canvas', { width: side, height: side, className: 'pixels', role: 'img', ariaLabel: 'The confusion matrix; the most confused classes are listed below' });
  const context = node.getContext('2d');
  for (let truth = 0; truth < side; truth++) {
    const all = counts.slice(side * truth, side * (truth + 1)).reduce((sum, count) => sum + count, 0) || 1;
    for (let answer = 0; answer < side; answer++) {
      const share = Math.sqrt(counts[side * truth + answer] / all);
      context.fillStyle = truth === answer ? `rgba(0, 114, 178, ${share})` : `rgba(213, 94, 0, ${share})`;
      context.fillRect(answer, truth, 1, 1);
    }
  }
  node.addEventListener('mousemove', event => {
    const box = node.getBoundingClientRect();
    const [truth, answer] = [event.clientY - box.top, event.clientX - box.left].map((offset, axis) => Math.min(side - 1, Math.floor(side * offset / (axis ? box.width : box.height))));
    node.title = `${names[truth]} taken for ${names[answer]}: ${counts[side * truth + answer]}`;
  });
  return node;
}

function confused(names, counts, side, can) {
  const pairs = [];
  counts.forEach((count, place) => {
    const truth = Math.floor(place / side), answer = place % side;
    if (truth !== answer && count) pairs.push({ truth, answer, count });
  });
  pairs.sort((a, b) => b.count - a.count);
  const rows = pairs.slice(0, 12).map(({ truth, answer, count }) => [names[truth], names[answer],
    can ? el('button', { ariaLabel: `${count} pictures of ${names[truth]} taken for ${names[answer]}`, onclick: () => openCell(truth, answer) }, whole(count)) : whole(count)]);
  return rows.length ? table('The most confused classes', ['Truth', 'Answer', '#Images'], rows) : el('p.quiet', {}, 'None.');
}

const openCell = (truth, answer) => choose({ cell: `${truth}_${answer}` });

/** The pictures of the cell that is chosen, as the newest checkpoint answers them. */
export async function showCell() {
  const dialog = at('cell'), body = at('cell-body'), of = chosen(), { cell } = view;
  const [truth, answer] = cell.split('_').map(Number), names = classes(of ?? {});
  if (!of?.about.model || !of.about.images || !names[truth] || !names[answer]) return dialog.close();
  say(at('cell-h'), truth === answer ? `${names[truth]}, told rightly` : `${names[truth]}, taken for ${names[answer]}`);
  body.replaceChildren(el('p.quiet', {}, 'Asking the model…'));
  if (!dialog.open) dialog.showModal();
  await showMistakes(body, `?truth=${truth}&answer=${answer}`, () => dialog.open && view.cell === cell, true);
}

/** Mistakes, and how far the search for them is, until they are there. A run of short epochs always has a newer checkpoint. */
export async function showMistakes(node, query, goesOn, counts) {
  const names = classes(chosen());
  let before;
  while (goesOn()) {
    let found;
    try { found = await ask('mistakes' + query); } catch (error) {
      node.replaceChildren(el('p.trouble', {}, error.message));
      return;
    }
    before ??= found.checkpoint;
    const progress = found.checkpoint === before && found.progress;
    const bar = progress && el('p', {}, before && 'The newest checkpoint is asked: ', el('progress', { max: progress.all, value: progress.done, ariaLabel: 'Test images that were asked about' }), ` ${whole(progress.done)} of ${whole(progress.all)} test images${before ? '' : ' asked about'}`);
    const of = found.checkpoint && el('p.quiet', {}, `${whole(found.count)} ${counts ? 'image' : 'mistake'}${found.count === 1 ? '' : 's'} by ${found.checkpoint}${found.count > found.guesses.length ? `, the surest ${found.guesses.length} of them` : ''}`);
    node.replaceChildren(...[bar, of, el('div.grid', {}, found.guesses.map(guess => picture(guess, names)))].filter(Boolean));
    if (!progress) return;
    await new Promise(done => setTimeout(done, 700));
  }
}

export function listenToClasses() {
  at('epoch').addEventListener('input', event => {
    const last = Number(event.target.value) === Number(event.target.max);
    choose({ e: last ? 0 : Number(event.target.value) });
  });
  at('epoch-last').addEventListener('click', () => choose({ e: 0 }));
  at('cell').addEventListener('close', () => choose({ cell: '' }));
}
