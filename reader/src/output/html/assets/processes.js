'use strict';

/*
 * The page about all processes of a server. Its data is the published form of a report,
 * `memshim.report/1`, so that everybody else can have the same.
 */

/** The columns that are shown, in the report's order; numbers with intervals are objects. */
function processesTable(section) {
  const { columns, rows } = section;
  return element(
    'div',
    { class: 'table-scroll' },
    element(
      'table',
      { id: 'processes' },
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          columns.map(({ title, unit }) =>
            element('th', { scope: 'col', class: isTextual(unit) ? null : 'is-number' }, title),
          ),
        ),
      ),
      element(
        'tbody',
        {},
        rows.map((row) =>
          element(
            'tr',
            { 'data-pid': String(row.pid) },
            columns.map((column) => processCell(column, row)),
          ),
        ),
      ),
    ),
  );
}

function isTextual(unit) {
  return ['text', 'id'].includes(unit);
}

function processCell({ key, unit }, row) {
  const found = row[key];
  const value = found !== null && typeof found === 'object' ? found.value : found;
  // The address of a process leads to the program that it is now.
  if (key === 'pid' && row.state !== 'replaced') {
    const href = `process/${Number(value)}${location.search}`;
    return element('th', { scope: 'row' }, element('a', { href }, String(value)));
  }
  if (isTextual(unit)) {
    return element('td', {}, element('span', { class: 'text is-short' }, String(value ?? '-')));
  }
  const isBad = ['leaks', 'losses'].includes(key) && value > 0;
  return element(
    'td',
    { class: 'is-number' },
    element('span', { class: isBad ? 'verdict is-warn' : 'number' }, numberText(value, unit)),
  );
}

async function showProcesses() {
  const address = document.getElementById('report-data').getAttribute('data-source');
  const response = await fetch(address + location.search);
  if (!response.ok) {
    throw new Error(`the server answered ${response.status}`);
  }
  const report = await response.json();
  const place = document.getElementById('views');
  const section = report.sections.find(({ name }) => name === 'processes');
  const unreadable = report.sections.find(({ name }) => name === 'unreadable');
  place.replaceChildren(
    section.rows.length > 0
      ? processesTable(section)
      : element(
          'p',
          { class: 'empty' },
          'No process runs under memshim yet. Start one with ',
          element('code', {}, 'LD_PRELOAD=libmemshim.so'),
          '.',
        ),
    section.note === '' ? '' : element('p', { class: 'note' }, section.note),
    ...(unreadable?.rows ?? []).map(({ segment, problem }) =>
      element('p', { class: 'losses', role: 'alert' }, `${segment}: ${problem}`),
    ),
  );
}

function startProcesses() {
  document.title = 'memshim – processes';
  const refresher = new Refresher(showProcesses, 2000);
  document.getElementById('header').replaceChildren(
    element(
      'div',
      { class: 'title' },
      element('h1', {}, 'memshim ', element('span', { class: 'report-name' }, 'processes')),
      element('div', { class: 'title-buttons' }, ...refresher.parts, themeSwitch()),
    ),
  );
  globalThis.memshim = { refresher };
  refresher.runIfDue();
}

startProcesses();
