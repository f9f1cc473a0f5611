// Curves that grow, with what happened marked on them.

import { at, colour, el, duration, loss, number, percent, rate, say, table } from './dom.js';
import { KINDS, marksOf } from './marks.js';
import { store } from './store.js';
import { chosen, done, isOver } from './now.js';
import { choose, hidden, isDark, view } from './view.js';

const CHARTS = [
  { id: 'accuracy', name: 'Accuracy', lines: ['train_accuracy', 'test_accuracy'], text: percent },
  { id: 'loss', name: 'Loss', lines: ['train_loss', 'test_loss'], text: loss, log: true },
  { id: 'rate', name: 'Learning rate', lines: ['learning_rate'], text: rate, log: true, low: true },
];
const spoken = name => name === 'learning_rate' ? 'learning rate' : name.split('_')[0];

/** Each a chart of uPlot with what belongs to it. */
let charts = [], shape = '';

/** An exponential mean without the pull of its first value, as TensorBoard has it. */
export function smooth(values, weight) {
  let sum = 0, known = 0;
  return values.map(value => {
    if (value === null || !Number.isFinite(value)) return null;
    sum = weight * sum + (1 - weight) * value;
    known = weight * known + (1 - weight);
    return sum / known;
  });
}

/** Seconds of training at a place along the epochs. */
function secondsAt(of) {
  const sums = [0];
  of.epochs.seconds.forEach(seconds => sums.push(sums.at(-1) + (number(seconds) || 0)));
  const first = of.epochs.epoch[0] ?? 0, mean = sums.at(-1) / Math.max(1, sums.length - 1);
  return x => {
    const place = Math.max(0, x - first), whole = Math.min(Math.floor(place), sums.length - 1);
    const next = whole + 1 < sums.length ? sums[whole + 1] - sums[whole] : mean || of.run?.wall_seconds || 1;
    return sums[whole] + next * (place - whole);
  };
}

const along = of => view.x === 'time' ? secondsAt(of) : x => x;

/** The places and values of one run's lines, with the epoch in progress as their last point. */
function dataOf(of, lines) {
  const place = along(of);
  const xs = of.epochs.epoch.map(epoch => place(epoch + 1));
  const columns = lines.map(name => of.epochs[name].map(value => value === null ? null : number(value)));
  const now = done(of), last = of.epochs.epoch.length ? of.epochs.epoch.at(-1) + 1 : 0;
  if (of.run && !isOver(of.run) && now > last && of.run.train_loss !== null) {
    xs.push(place(now));
    lines.forEach((name, i) => columns[i].push(name.startsWith('test') ? null : number(of.run[name])));
  }
  return [xs, ...columns.map(column => column.map(value => Number.isFinite(value) ? value : null))];
}

const shown = () => store.runs.map((of, index) => ({ of, index })).filter(({ index }) => !hidden().has(index));

/** Data for uPlot: for each line of each run the raw values and the smoothed ones. */
function aligned(chart) {
  const tables = shown().map(({ of }) => {
    const [xs, ...columns] = dataOf(of, chart.lines);
    const pairs = columns.flatMap((column, i) => chart.lines[i] === 'learning_rate' || !view.s ? [column, column.map(() => null)] : [column, smooth(column, view.s)]);
    return [xs, ...pairs];
  });
  if (!tables.length) return [[0]];
  return tables.length === 1 ? tables[0] : uPlot.join(tables);
}

function strokes(index, name) {
  if (store.runs.length > 1) return colour('run-' + index % 7);
  return colour(name.startsWith('train') ? 'c-train' : name.startsWith('test') ? 'c-test' : 'c-rate');
}

function seriesOf(chart) {
  return shown().flatMap(({ of, index }) => chart.lines.flatMap(name => {
    const stroke = strokes(index, name), dash = name.startsWith('train') ? [6, 4] : [];
    const label = (store.runs.length > 1 ? of.about.name + ' ' : '') + spoken(name);
    const smoothed = view.s > 0 && name !== 'learning_rate';
    const points = { show: (u, series) => !smoothed && u.data[0].length < 40, size: 5, fill: stroke };
    const paths = name === 'learning_rate' ? uPlot.paths.stepped({ align: -1 }) : undefined;
    return [
      { label, stroke: smoothed ? fade(stroke) : stroke, width: smoothed ? 1 : 1.75, dash: smoothed ? [] : dash, points, paths, spanGaps: true },
      { label: label + ' smoothed', stroke, width: 2, dash, show: smoothed, points: { show: false }, spanGaps: true },
    ];
  }));
}

const fade = stroke => `color-mix(in srgb, ${stroke} 35%, transparent)`;

function axes(chart) {
  const line = { stroke: colour('muted'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  const below = view.x === 'time' ? (u, values) => values.map(value => duration(value).replace(/ 00? ?s$/, '')) : (u, values) => values.map(value => Number.isInteger(value) ? value : '');
  const beside = chart.id === 'accuracy' ? value => `${Number((100 * value).toFixed(1))} %` : value => value && value < 0.001 ? value.toExponential() : String(Number(value.toPrecision(3)));
  return [
    { ...line, size: 28, gap: 4, space: view.x === 'time' ? 80 : 50, values: below },
    { ...line, size: 52, gap: 4, space: chart.low ? 24 : 36, values: (u, values) => values.map(value => value === null ? '' : beside(value)) },
  ];
}

/** Draws marks behind the curves: lines with a sign on top, checkpoints as ticks at the foot. */
function drawMarks(u, chart) {
  if (!view.marks || !chart.marks) return;
  const { ctx, bbox } = u, px = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  // A sign at the edge is as wide as one within.
  const edge = 9 * px;
  ctx.rect(bbox.left - edge, 0, bbox.width + 2 * edge, bbox.top + bbox.height);
  ctx.clip();
  ctx.textAlign = 'center';
  const dense = bbox.width / px < 8 * chart.marks.filter(mark => mark.kind === 'checkpoint').length;
  ctx.font = `${11 * px}px system-ui, sans-serif`;
  for (const mark of chart.marks) {
    const kind = KINDS[mark.kind], x = Math.round(u.valToPos(mark.place, 'x', true));
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(kind.colour);
    if (mark.kind === 'checkpoint' && dense) {
      ctx.fillRect(x, bbox.top + bbox.height - 4 * px, 1, 4 * px);
    } else if (mark.kind === 'checkpoint') {
      ctx.beginPath();
      ctx.moveTo(x - 3 * px, bbox.top + bbox.height);
      ctx.lineTo(x + 3 * px, bbox.top + bbox.height);
      ctx.lineTo(x, bbox.top + bbox.height - 6 * px);
      ctx.fill();
    } else if (mark.kind === 'best') {
      if (chart.id !== 'accuracy' || mark.value === undefined) continue;
      ctx.font = `${15 * px}px system-ui, sans-serif`;
      ctx.fillText('★', x, u.valToPos(mark.value, 'y', true) - 5 * px);
      ctx.font = `${11 * px}px system-ui, sans-serif`;
    } else {
      ctx.setLineDash(kind.dash.map(length => length * px));
      ctx.lineWidth = 1.25 * px;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + 2 * px);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      if (!chart.low) ctx.fillText(kind.sign, x, bbox.top - 3 * px);
    }
  }
  ctx.restore();
}

/** What happened at a point of the curves: nearer to it than to any other point. The most telling comes first. */
function marksAt(chart, xs, index) {
  const middle = (a, b) => a === undefined ? -Infinity : b === undefined ? Infinity : (a + b) / 2;
  const from = middle(xs[index - 1], xs[index]), to = middle(xs[index], xs[index + 1]);
  const rank = mark => Object.keys(KINDS).indexOf(mark.kind);
  return chart.marks.filter(mark => mark.place >= from && mark.place < to).sort((a, b) => rank(a) - rank(b));
}

/** The values under the crosshair, or the last ones. All charts are at the point of the one that has the pointer. */
function showLegend(chart) {
  const { u } = chart, index = (charts.find(({ plot }) => plot.matches(':hover')) ?? chart).u.cursor.idx;
  const smoothed = view.s > 0;
  chart.values.forEach(({ node, series, lines }) => {
    const data = u.data[smoothed && lines !== 'learning_rate' ? series + 1 : series] ?? [];
    const value = index === null || index === undefined ? data.findLast(value => value !== null && value !== undefined) : data[index];
    say(node, chart.text(value ?? NaN));
  });
  const x = index === null || index === undefined ? undefined : u.data[0][index];
  const where = x === undefined ? '' : view.x === 'time' ? 'after ' + duration(x) : `epoch ${Number(x.toFixed(2))}`;
  const here = x === undefined || !chart.marks || !view.marks ? [] : marksAt(chart, u.data[0], index);
  const brief = ({ kind, text }) => `  ${KINDS[kind].sign} ${kind === 'rate' ? text.split(': ')[0].replace('learning ', '') : text.replace(' test accuracy:', '')}`;
  say(chart.told.firstChild, where + here.slice(0, 3).map(brief).join(''));
  say(chart.told.lastChild, here.length > 3 ? `+${here.length - 3}` : '');
}

function build(chart) {
  const series = seriesOf(chart);
  const values = [];
  const keys = shown().flatMap(({ of, index }, run) => chart.lines.map((name, line) => {
    const node = el('b');
    values.push({ node, series: 1 + 2 * (run * chart.lines.length + line), lines: name });
    const style = { borderTopColor: strokes(index, name), borderTopStyle: name.startsWith('train') ? 'dashed' : 'solid' };
    return el('span', {}, el('i.key', { style }), (store.runs.length > 1 ? of.about.name + ' ' : '') + spoken(name) + ' ', node);
  }));
  const told = el('p.told', {}, el('span'), el('b'));
  const plot = el('div.plot', {});
  const box = el('figure', { className: 'card chart' + (chart.low ? ' low' : ''), ariaLabel: chart.name },
    el('figcaption', {}, el('h3', {}, chart.name), el('div.keys-of', {}, keys)), told, plot);
  const it = { ...chart, box, plot, values, told, marks: null };
  const options = {
    width: 300, height: chart.low ? 110 : 240, series: [{}, ...series], axes: axes(chart),
    padding: [chart.low ? 6 : 14, 18, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, range: reach },
      y: { distr: chart.log && view.log ? 3 : 1 },
    },
    cursor: { sync: { key: 'epochs' }, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
    hooks: { drawAxes: [u => drawMarks(u, it)], setCursor: [() => it.u && showLegend(it)], setSelect: [enlarge] },
  };
  it.u = new uPlot(options, aligned(chart), plot);
  it.u.over.addEventListener('dblclick', () => choose({ part: '' }));
  plot.firstElementChild.setAttribute('aria-hidden', 'true');
  return it;
}

/** All there is, from the beginning; or the part that a person has dragged over, however the curves grow. */
function reach(u, low, high) {
  const [from, to] = view.part.split('_').map(Number);
  if (to > from) return [from, to];
  if (low === null || low === undefined) return [0, 1];
  const first = view.x === 'time' || low <= 1 ? 0 : low - 1;
  return [first, high > low ? high : low + (low - first || 1)];
}

/** Shows the part that was dragged over, in all charts. */
function enlarge(u) {
  const { left, width } = u.select;
  if (!width) return;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (width > 3 && u.over.matches(':hover')) choose({ part: [left, left + width].map(x => Math.max(0, u.posToVal(x, 'x')).toFixed(2)).join('_') });
}

function place(chart) {
  if (store.runs.length !== 1) return null;
  const [of] = store.runs, place = along(of);
  return marksOf(of).map(mark => ({
    ...mark,
    place: place(mark.x),
    value: mark.kind === 'best' ? of.epochs.test_accuracy[of.epochs.epoch.indexOf(mark.x - 1)] : undefined,
  }));
}

function fit() {
  for (const chart of charts) {
    const width = chart.plot.clientWidth;
    if (width && width !== chart.u.width) chart.u.setSize({ width, height: chart.low ? 110 : innerWidth < 600 ? 200 : 240 });
  }
}

/** Draws again; builds anew what cannot be changed. */
export function showCurves() {
  if (!store.loaded) return;
  const now = [view.s > 0, view.log, view.x, view.hide, store.runs.length, isDark()].join();
  if (now !== shape) {
    shape = now;
    charts.forEach(chart => chart.u.destroy());
    charts = CHARTS.map(build);
    at('charts').replaceChildren(...charts.map(chart => chart.box), ...legendOfMarks());
    fit();
  }
  for (const chart of charts) {
    chart.marks = place(chart);
    chart.u.setData(aligned(chart));
  }
  charts.forEach(showLegend);
  if (at('curves-text').open) showText();
}

function legendOfMarks() {
  if (store.runs.length !== 1) return [];
  return [el('p.mark-keys', { ariaHidden: 'true' }, Object.values(KINDS).map(kind => el('span', {}, el('i', { style: { color: colour(kind.colour) } }, kind.sign), ' ' + kind.name)))];
}

/** The curves for those who read them. */
export function showText() {
  const of = chosen();
  if (!of) return;
  const marks = marksOf(of), { epochs } = of;
  const heads = ['#Epoch', '#Train loss', '#Test loss', '#Train accuracy', '#Test accuracy', '#Learning rate', '#Time', 'What happened'];
  const rows = epochs.epoch.map((epoch, i) => [
    String(epoch + 1), loss(number(epochs.train_loss[i])), loss(number(epochs.test_loss[i])), percent(number(epochs.train_accuracy[i])),
    percent(number(epochs.test_accuracy[i])), rate(number(epochs.learning_rate[i])), duration(number(epochs.seconds[i])),
    marks.filter(mark => mark.x > epoch && mark.x <= epoch + 1).map(mark => mark.text).join('; '),
  ]);
  at('curves-text').lastElementChild.replaceChildren(table('Figures of every epoch, newest first', heads, rows.reverse()));
}

at('curves-text').addEventListener('toggle', ({ target }) => {
  choose({ table: Number(target.open) });
  if (target.open) showText();
});
new ResizeObserver(fit).observe(at('charts'));
