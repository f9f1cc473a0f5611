// The page is painted before anything else is done. Then all scripts are asked for at once.

const MODULES = ['alerts.js', 'app.js', 'classes.js', 'curves.js', 'dom.js', 'log.js', 'marks.js', 'model.js', 'now.js', 'store.js', 'view.js', 'workers.js'];

function start() {
  const charts = Object.assign(document.createElement('script'), { src: 'uPlot.iife.min.js', onload: () => import('./app.js') });
  document.head.append(charts, ...MODULES.map(href => Object.assign(document.createElement('link'), { rel: 'modulepreload', href })));
}

// A page that is not seen is not painted.
if (document.hidden) start(); else requestAnimationFrame(() => requestAnimationFrame(start));
