'use strict';

/*
 * Keeps a page that a server sent up to date: it asks again and again while somebody looks.
 */

const REFRESH_MS = 5000;

/** Calls back every few seconds while the page is visible, until the server is gone. */
class Refresher {
  constructor(refresh, milliseconds = REFRESH_MS) {
    this.refresh = refresh;
    this.milliseconds = milliseconds;
    this.isPaused = false;
    this.status = element('span', { class: 'faint', role: 'status' }, '');
    this.pauseButton = button('pause', () => this.pause(), { class: 'quiet' });
    this.parts = [this.status, this.pauseButton];
    document.addEventListener('visibilitychange', () => this.runIfDue());
    setInterval(() => this.runIfDue(), milliseconds);
  }

  pause() {
    this.isPaused = !this.isPaused;
    this.pauseButton.textContent = this.isPaused ? 'go on' : 'pause';
    this.runIfDue();
  }

  async runIfDue() {
    if (this.isPaused || this.isRunning || document.hidden) {
      return;
    }
    // An answer may take longer than the time between two.
    this.isRunning = true;
    try {
      await this.refresh();
      // In UTC, as all times of a report are.
      this.status.textContent = `as of ${new Date().toISOString().slice(11, 19)} UTC`;
      this.status.classList.remove('is-lost');
    } catch (error) {
      this.status.textContent = `not up to date: ${error.message}`;
      this.status.classList.add('is-lost');
    } finally {
      this.isRunning = false;
    }
  }
}

/** The page about one process, when it has been drawn once. */
async function followProcess() {
  await started;
  const refresher = new Refresher(async () => {
    const report = await loadReport();
    const { views, pages } = globalThis.memshim ?? {};
    if (!views) {
      // There was nothing to show before.
      location.reload();
      return;
    }
    showHeader(report);
    showRefresher();
    pages.update(report);
    views.renew(viewsOf(report, pages));
    globalThis.memshim.report = report;
  });
  const showRefresher = () => {
    const all = element('a', { href: `../${location.search}` }, 'all processes');
    document.querySelector('#header .title-buttons')?.prepend(all, ' ', ...refresher.parts);
  };
  showRefresher();
}

if (document.documentElement.dataset.view === 'live') {
  followProcess();
}
