'use strict';

/*
 * The top of the page: whom the report is about, and what must be known before any number is
 * believed.
 */

/** Facts that people need with every report; the others are one click away. */
const IN_SHORT = [
  'state',
  'pid',
  'started_unix_ns',
  'age_ns',
  'as_of_unix_ns',
  'interval',
  'own_cost_percent',
];

function showHeader(report) {
  const program = report.about('program')?.value ?? null;
  const name = program === null ? 'memshim' : baseName(program);
  // What a server shows is no export, although it has the same sections.
  const kind = document.documentElement.dataset.view === 'live' ? 'live' : report.name;
  document.title = `${name} – memshim ${kind}`;
  const command = report.about('command_line')?.value ?? null;
  const short = report.target.filter((fact) => IN_SHORT.includes(fact.name));
  const others = report.target.filter(
    (fact) => !IN_SHORT.includes(fact.name) && !['program', 'command_line'].includes(fact.name),
  );
  document
    .getElementById('header')
    .replaceChildren(
      element(
        'div',
        { class: 'title' },
        element(
          'h1',
          {},
          name,
          ' ',
          element('span', { class: 'report-name' }, `memshim ${kind}`),
        ),
        element(
          'div',
          { class: 'title-buttons' },
          themeSwitch(),
          button('keys', showKeys, { class: 'quiet', title: 'Keys (?)' }),
        ),
      ),
      command === null ? '' : element('p', { class: 'command' }, command),
      element(
        'div',
        { class: 'short-facts' },
        factList(short, report),
        others.length === 0
          ? null
          : element(
              'details',
              { class: 'more-facts' },
              element('summary', {}, 'more'),
              factList(others, report),
            ),
      ),
      lossStrip(report) ?? '',
      noticeStrip(report) ?? '',
    );
}

/** What changes the meaning of every number below it; views do not repeat it. */
function noticeStrip(report) {
  const notices = report.section('notices');
  return notices?.facts
    ? element(
        'div',
        { class: 'notices', role: 'note' },
        element('strong', {}, notices.title),
        factList(notices.facts, report),
      )
    : null;
}

/** What is missing from the report; nothing where nothing is known to be. */
function lossStrip(report) {
  const lost = report.losses.filter((fact) => !fact.isZero);
  if (lost.length === 0) {
    return report.losses.length === 0 ? null : element('p', { class: 'no-losses' }, 'nothing lost');
  }
  return element(
    'div',
    { class: 'losses', role: 'alert' },
    element('strong', {}, 'Lost: the numbers below are not complete'),
    element(
      'ul',
      {},
      lost.map((fact) => {
        // Titles are made to stand behind a number: "× events overwritten".
        const title = fact.title.replace(/^×\s*/u, '');
        return element(
          'li',
          {},
          element('span', { class: 'number' }, estimateTexts(fact.at()).main),
          ` ${title}`,
        );
      }),
    ),
  );
}

/** Whether the page is dark now, by the user's choice or else by that of the system. */
function isDarkNow() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function themeSwitch() {
  return button(
    'light or dark',
    () => {
      document.documentElement.dataset.theme = isDarkNow() ? 'light' : 'dark';
      document.dispatchEvent(new Event('themechange'));
    },
    { class: 'quiet' },
  );
}

/** Calls back now and whenever the theme changes. */
function followTheme(callback) {
  document.addEventListener('themechange', () => callback(isDarkNow()));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
    callback(isDarkNow()),
  );
  // Paper is light.
  globalThis.addEventListener('beforeprint', () => callback(false));
  globalThis.addEventListener('afterprint', () => callback(isDarkNow()));
  callback(isDarkNow());
}

const PAGE_KEYS = [
  ['1 to 9', 'show the first, second, ... view'],
  ['/', 'search or filter'],
  ['?', 'this list'],
];

function showKeys() {
  const list = (keys) =>
    element(
      'dl',
      { class: 'keys' },
      keys.map(([key, meaning]) =>
        element('div', {}, element('dt', {}, element('kbd', {}, key)), element('dd', {}, meaning)),
      ),
    );
  const dialog = element(
    'dialog',
    { 'aria-label': 'Keys' },
    element('h2', {}, 'Everywhere'),
    list(PAGE_KEYS),
    element('h2', {}, 'In the flame graph'),
    list(FLAME_KEYS),
    button('close', () => dialog.close()),
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
