// What is known of the runs, and how it is kept up to date.

const COLUMNS = ['epoch', 'train_loss', 'train_accuracy', 'test_loss', 'test_accuracy', 'learning_rate', 'seconds', 'images_per_second', 'note'];
/** Of a list that grows while the page is open, the newest are kept. */
const MOST = 4000;
/** How long a page that nobody sees goes on listening. */
const UNSEEN = 30000;

/** The runs: the first is the one that is live, if any is. */
export const store = { about: null, runs: [], connected: true, loaded: false };

const listeners = [];
let dirty = new Set();
/** Calls back once a frame with the names of what has changed: about, run, epochs, history, events, alerts, connection. */
export const onData = listener => listeners.push(listener);

function changed(...names) {
  if (!dirty.size) {
    // A page that is not seen gets no frames.
    const soon = document.hidden ? callback => setTimeout(callback, 250) : requestAnimationFrame;
    soon(() => {
      const now = dirty;
      dirty = new Set();
      listeners.forEach(listener => listener(now));
    });
  }
  names.forEach(name => dirty.add(name));
}

/** Asks for JSON. An answer that is none is an error with the words of the coordinator. */
export async function ask(path, options) {
  const response = await fetch('api/' + path, options);
  if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
  return response.json();
}

/** The fields of a protobuf message, as far as a list of checkpoints has them. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      value += (bytes[at] & 127) * unit;
      if (bytes[at++] < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint(), kind = key & 7, size = kind === 1 ? 8 : varint();
    // What has no length is its own value.
    yield [key >> 3, kind ? bytes.slice(at, at += size) : size];
  }
}

/** All checkpoints that were written, by gRPC-Web: only this list tells which are on disk. */
export async function checkpoints() {
  const all = [], text = new TextDecoder(), double = value => value && new DataView(value.buffer).getFloat64(0, true);
  for (let token = []; ;) {
    const asked = [8, 232, 7, 18, token.length, ...token];
    const response = await fetch('coxswain.v1.Training/ListCheckpoints', { method: 'POST', headers: { 'content-type': 'application/grpc-web+proto' }, body: new Uint8Array([0, 0, 0, 0, asked.length, ...asked]) });
    const answer = await response.arrayBuffer(), bytes = new Uint8Array(answer);
    if (!response.ok || bytes[0] !== 0) return null;
    token = [];
    for (const [field, value] of fields(bytes.slice(5, 5 + new DataView(answer).getUint32(1)))) {
      const found = field === 1 && Object.fromEntries(fields(value));
      if (found) all.push({ name: text.decode(found[1]), steps_done: found[4], accuracy: double(found[5]), at: double(found[7]), on_disk: found[9], best: found[11] });
      else token = value;
    }
    if (!token.length) return all;
  }
}

let loading = null, again = false, waiting = [], version = -1;

async function loadRun(index, about) {
  const of = path => ask(`${path}?run=${index}`);
  const [run, epochs, history, events, { alerts, version: at }] = await Promise.all([of('run'), of('epochs'), of('history'), of('events'), of('alerts')]);
  const { generations, checkpoints, recoveries } = history;
  version = Math.min(epochs.version, history.version, events.version, at);
  return { about, run, epochs: epochs.columns, generations, checkpoints, recoveries, before: history.left_out, events: events.events, alerts, left: events.left_out };
}

/** Asks for everything. What happens meanwhile is added after. */
export function load() {
  again = !!loading;
  loading ??= (async () => {
    try {
      // The first run is asked for before it is known that there is one, and so is there sooner.
      const first = loadRun(0, null);
      first.catch(() => {});
      store.about = await ask('about');
      store.runs = await Promise.all(store.about.runs.map((about, index) => index ? loadRun(index, about) : first.then(run => ({ ...run, about }))));
      store.loaded = true;
      connected(true);
      changed('about', 'run', 'epochs', 'history', 'events', 'alerts');
    } catch (error) {
      connected(false);
      setTimeout(load, 2000);
    }
    loading = null;
    waiting.splice(0).forEach(([name, data]) => happened(name, data));
    if (again) load();
  })();
  return loading;
}

function connected(is) {
  if (store.connected !== is) {
    store.connected = is;
    changed('connection');
  }
}

/** Adds what is not known yet; what is known already stays once. */
function add(list, item, ...keys) {
  const place = list.findLastIndex(known => keys.every(key => known[key] === item[key]));
  if (place < 0) list.push(item); else list[place] = item;
  if (list.length > MOST) list.splice(0, list.length - MOST);
}

function addEpoch(epochs, row) {
  let place = epochs.epoch.findLastIndex(epoch => epoch <= row.epoch);
  if (epochs.epoch[place] !== row.epoch) {
    place += 1;
    COLUMNS.forEach(name => epochs[name].splice(place, 0, null));
  }
  COLUMNS.forEach(name => { epochs[name][place] = row[name]; });
}

function happened(name, data) {
  if (name === 'hello') {
    if (data.version !== version || !store.loaded) load();
    return;
  }
  if (name === 'reset') return void load();
  if (loading) return void waiting.push([name, data]);
  const live = store.runs[0];
  if (!live) return;
  switch (name) {
    case 'run': live.run = data; changed('run'); break;
    case 'epoch': addEpoch(live.epochs, data); changed('epochs'); break;
    case 'generation': add(live.generations, data, 'generation'); changed('history'); break;
    case 'checkpoint': add(live.checkpoints, data, 'name'); changed('history'); break;
    case 'recovery': add(live.recoveries, data, 'generation', 'kind', 'detected_ms'); changed('history'); break;
    case 'event': add(live.events, data, 'number'); changed('events'); break;
    case 'alert': add(live.alerts, data, 'number'); changed('alerts'); break;
  }
}

let source = null, retry = 0, unseen = 0;

function open() {
  if (source) return;
  source = new EventSource('api/stream');
  source.onopen = () => connected(true);
  source.onerror = () => {
    connected(false);
    if (source?.readyState !== EventSource.CLOSED) return;
    // It comes back by itself only from what it takes for a passing trouble.
    close();
    retry = setTimeout(open, 2000);
  };
  for (const name of ['hello', 'reset', 'run', 'epoch', 'generation', 'checkpoint', 'recovery', 'event', 'alert']) {
    source.addEventListener(name, event => happened(name, JSON.parse(event.data)));
  }
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** A browser has few connections to a place: a page that nobody sees gives its own back, and only looks now and then. */
function followWhileSeen() {
  clearTimeout(unseen);
  clearInterval(unseen);
  if (!document.hidden) {
    if (!source) version = -1;
    open();
    return;
  }
  unseen = setTimeout(() => {
    close();
    unseen = setInterval(async () => {
      try {
        store.runs[0].run = await ask('run');
        connected(true);
        changed('run');
      } catch { connected(false); }
    }, 10000);
  }, UNSEEN);
}

/** Begins. */
export async function begin() {
  await load();
  while (!store.loaded) {
    await new Promise(done => setTimeout(done, 2000));
    if (!loading && !store.loaded) await load();
  }
  if (!store.about.live) return;
  open();
  document.addEventListener('visibilitychange', followWhileSeen);
}
