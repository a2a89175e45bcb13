'use strict';

/*
 * The page about all processes of a server. Its data is the published form of a report,
 * `memshim.report/1`, so that everybody else can have the same.
 */

/** By which column the rows are sorted, null for the report's order: running ones, largest first. */
const sorting = { key: null, isDescending: true };

/** The columns that are shown, in the report's order; numbers with intervals are objects. */
function processesTable(section, redraw) {
  const { columns } = section;
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
          columns.map((column) => headCell(column, redraw)),
        ),
      ),
      element(
        'tbody',
        {},
        sortedRows(section).map((row) =>
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

function headCell({ key, title, unit }, redraw) {
  const direction = sorting.isDescending ? 'descending' : 'ascending';
  const sorted = sorting.key === key ? direction : null;
  const sortBy = () => {
    // Largest first, and the first letters of the alphabet; once more turns that round.
    sorting.isDescending = sorted === null ? !isTextual(unit) : !sorting.isDescending;
    sorting.key = key;
    redraw();
    // The button is another one now, and the keyboard stays where it was.
    document.querySelector('#processes [data-sorted]')?.focus();
  };
  return element(
    'th',
    {
      scope: 'col',
      class: isTextual(unit) ? null : 'is-number',
      'aria-sort': sorted ?? 'none',
    },
    button(title, sortBy, { class: 'sort', 'data-sorted': sorted }),
  );
}

function sortedRows({ rows }) {
  const { key, isDescending } = sorting;
  if (key === null) {
    return rows;
  }
  const rank = (left, right) => {
    const [one, other] = [left, right].map((row) => plainValue(row[key]));
    const order = typeof one === 'string' ? one.localeCompare(other) : (one ?? -1) - (other ?? -1);
    return isDescending ? -order : order;
  };
  return [...rows].sort(rank);
}

/** The number of an estimate, and everything else as it is. */
function plainValue(found) {
  return found !== null && typeof found === 'object' ? found.value : found;
}

/** How things stand in one line, for whoever has no time to read the table. */
function summary({ rows }) {
  const running = rows.filter(({ state }) => state === 'running');
  const live = running.reduce((sum, row) => sum + plainValue(row.live_bytes), 0);
  const leaking = running.filter(({ leaks }) => leaks > 0).length;
  return element(
    'p',
    { class: 'note' },
    `${running.length} running, ${numberText(live, 'bytes')} live, ${leaking} leaking`,
  );
}

function isTextual(unit) {
  return ['text', 'id'].includes(unit);
}

function processCell({ key, unit }, row) {
  const value = plainValue(row[key]);
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
  drawProcesses(await response.json());
}

function drawProcesses(report) {
  const place = document.getElementById('views');
  const section = report.sections.find(({ name }) => name === 'processes');
  const unreadable = report.sections.find(({ name }) => name === 'unreadable');
  const redraw = () => drawProcesses(report);
  const shown =
    section.rows.length > 0
      ? [summary(section), processesTable(section, redraw)]
      : [
          element(
            'p',
            { class: 'empty' },
            'No process runs under memshim yet. Start one with ',
            element('code', {}, 'LD_PRELOAD=libmemshim.so'),
            '.',
          ),
        ];
  place.replaceChildren(
    ...shown,
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
