'use strict';

/*
 * Puts the page together when it has been read.
 */

async function start() {
  let report = await loadReport();
  showHeader(report);
  let flame = null;
  const pages = {
    /** Goes on with a later report, in the same place of the flame graph. */
    update: (later) => {
      report = later;
      flame?.update(later);
    },
    flame: () => {
      if (flame === null) {
        flame = new FlameView(report);
        followTheme((isDark) => flame.canvas.setTheme(isDark));
      }
      return flame;
    },
    show: (name) => views.open(name),
    onstack: (section, stack) => {
      views.open('flame');
      pages.flame().showStack(section, stack);
    },
  };
  const all = viewsOf(report, pages);
  if (all.length === 0) {
    document
      .getElementById('views')
      .replaceChildren(
        element('p', { class: 'empty' }, 'There is nothing to show in this report.'),
      );
    return;
  }
  const views = new Views(all);
  document.addEventListener('keydown', (event) => views.onkey(event));
  // For the page's own tests, and for whoever explores a report in the browser's console.
  globalThis.memshim = { report, views, pages };
}

const started = start();
started.catch((error) => {
  document
    .getElementById('views')
    .replaceChildren(
      element(
        'p',
        { class: 'losses', role: 'alert' },
        `The report cannot be shown: ${error.message}`,
      ),
    );
  throw error;
});
