// The current model: what it takes test images for, and a picture that a person gives.

import { at, el, percent, say, whole } from './dom.js';
import { ask, store } from './store.js';
import { classes } from './now.js';
import { showMistakes } from './classes.js';
import { choose, view } from './view.js';

const PAGE = 64;

/** A test image with what it is and what it is taken for. */
export function picture({ image, truth, answer, probability }, names) {
  const right = truth === answer;
  const says = `Image ${image}: ${names[truth]}${right ? '' : ', taken for ' + names[answer]}, ${percent(probability, 1)} sure`;
  return el('figure', { className: right ? 'right' : 'wrong', title: says },
    el('img', { src: `api/image/test/${image}.png`, alt: says, width: 32, height: 32, loading: 'lazy', decoding: 'async', onerror: event => { event.target.alt = ''; } }),
    el('figcaption', {}, right ? '✓ ' : '✕ ', names[answer] ?? answer));
}

let asked = '', visible = false, busy = false;

/** The grid, when it is in sight and there is a checkpoint to ask. */
export async function showGrid() {
  const of = store.runs[0], section = at('model');
  if (!of) return;
  section.hidden = !of.about.model;
  if (!of.about.model || !visible || busy) return;
  const checkpoint = of.run.checkpoint;
  if (!checkpoint) {
    at('grid').replaceChildren(el('p.quiet', {}, 'There is no checkpoint yet: the first comes at the end of the first epoch.'));
    return;
  }
  const key = checkpoint + ' ' + view.from;
  if (key === asked) return;
  busy = true;
  try {
    const found = await ask('grid?from=' + view.from);
    asked = key;
    const names = classes(of), right = found.guesses.filter(guess => guess.truth === guess.answer).length;
    at('grid').replaceChildren(...found.guesses.map(guess => picture(guess, names)),
      el('p.quiet', {}, `${right} of ${found.guesses.length} right, by ${found.checkpoint}. Images ${view.from} to ${view.from + found.guesses.length - 1} of ${whole(found.images)}.`));
    at('grid-before').disabled = view.from <= 0;
    at('grid-after').disabled = view.from + PAGE >= found.images;
  } catch (error) {
    at('grid').replaceChildren(el('p.trouble', {}, error.message));
  }
  busy = false;
}

let preview = '';

/** Sends a picture, and shows what it is taken for. */
async function give(file) {
  const node = at('answer'), of = store.runs[0];
  URL.revokeObjectURL(preview);
  preview = URL.createObjectURL(file);
  const put = rest => node.replaceChildren(...[image.className && image, rest].filter(Boolean));
  // What the browser cannot show has no room.
  const image = el('img', { src: preview, alt: file.name || 'the picture', className: 'given', onerror: () => { image.className = ''; image.remove(); } });
  if (file.size > store.about.largest_picture) {
    put(el('p.trouble', {}, `This file has ${(file.size / 1048576).toFixed(1)} MiB, and a picture may have ${store.about.largest_picture / 1048576}. Give a smaller version.`));
    return;
  }
  put(el('p.quiet', {}, 'Asking the model…'));
  try {
    const found = await ask('predict', { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } });
    const names = classes(of);
    const best = found.probabilities.map((probability, i) => [probability, i]).sort((a, b) => b[0] - a[0]).slice(0, 5);
    put(el('div', {},
      el('p', { id: 'answer-class' }, el('b', {}, names[found.class] ?? String(found.class)), ` ${percent(found.probability, 1)}`),
      el('table.bars', {}, el('caption.hidden', {}, 'The likeliest classes'), el('tbody', {}, best.map(([probability, i]) => el('tr', {},
        el('th', { scope: 'row' }, names[i] ?? i), el('td.fill', {}, el('i', { style: { width: 100 * probability + '%' } })), el('td.number', {}, percent(probability, 1)))))),
      el('p.quiet', {}, 'by ' + found.checkpoint)));
  } catch (error) {
    put(el('p.trouble', {}, `${file.name || 'The picture'}: ${error.message}`));
  }
}

export function listenToModel() {
  new IntersectionObserver(entries => {
    visible = entries.some(entry => entry.isIntersecting);
    showGrid();
  }, { rootMargin: '200px' }).observe(at('model'));
  at('grid-before').addEventListener('click', () => choose({ from: Math.max(0, view.from - PAGE) }));
  at('grid-after').addEventListener('click', () => choose({ from: view.from + PAGE }));
  at('mistakes-find').addEventListener('click', async ({ target }) => {
    target.disabled = true;
    await showMistakes(at('mistakes'), '', () => store.connected, false);
    target.disabled = false;
    say(target, 'Find them again');
  });
  const file = at('file'), drop = at('drop');
  file.addEventListener('change', () => {
    if (file.files[0]) give(file.files[0]);
    file.value = '';
  });
  const takes = event => store.runs[0]?.about.model && [...event.dataTransfer?.types ?? []].includes('Files');
  addEventListener('dragover', event => {
    if (!takes(event)) return;
    event.preventDefault();
    drop.classList.add('over');
  });
  addEventListener('dragleave', event => { if (!event.relatedTarget) drop.classList.remove('over'); });
  addEventListener('drop', event => {
    drop.classList.remove('over');
    if (!takes(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) {
      drop.scrollIntoView({ block: 'nearest' });
      give(event.dataTransfer.files[0]);
    }
  });
  addEventListener('paste', event => {
    const given = [...event.clipboardData?.files ?? []].find(item => item.type.startsWith('image/'));
    if (given && store.runs[0]?.about.model) give(given);
  });
}
