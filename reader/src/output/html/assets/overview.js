'use strict';

/*
 * The first view: how large the heap is, how it got there, and who deserves a look.
 */

const ROWS_IN_OVERVIEW = 5;

/** Tables that answer "who?", with the views that have all of their rows. */
const OVERVIEW_TABLES = ['checks', 'programs', 'changes', 'leaks', 'growth', 'diff'];

/** `show` opens another view by the name of a section. */
function overviewElement(report, { show, onstack }) {
  const facts = report.sections.filter(
    (section) => section.kind === 'facts' && section.name !== 'notices',
  );
  const time =
    report.section('heap_over_time') ??
    report.sections.find((section) => section.kind === 'series' && !section.stacks);
  const factSections = facts.map((section) =>
    sectionElement(section, tiles(section), restOfFacts(section)),
  );
  const parts = [
    ...factSections.slice(0, 1),
    time ? sectionElement(time, firstChart(time)) : null,
    ...OVERVIEW_TABLES.map((name) => topRows(report.section(name), { show, onstack })),
    ...factSections.slice(1),
  ];
  return element(
    'div',
    { class: 'overview' },
    parts.filter((part) => part !== null),
  );
}

/** Whether there is more to survey than the one table that another view shows. */
function hasOverview(report) {
  const isSurveyed = ({ kind, name, stacks }) =>
    (kind === 'facts' && name !== 'notices') || (kind === 'series' && !stacks);
  const tables = OVERVIEW_TABLES.filter((name) => report.section(name));
  return report.sections.some(isSurveyed) || tables.length > 1;
}

function firstChart(section) {
  return seriesElement(section).querySelector('figure') ?? element('p', { class: 'empty' }, 'none');
}

/** A tile for each quantity in bytes, with the objects of the same quantity under it. */
function tiles(section) {
  const bytes = section.facts.filter(isTileFact);
  const find = (name) => section.facts.find((fact) => fact.name === name);
  if (bytes.length === 0) {
    return null;
  }
  return element(
    'div',
    { class: 'tiles' },
    bytes.map((fact) => {
      const { main, interval } = estimateTexts(fact.at());
      const objects = find(fact.name.replace(/_bytes$/u, '_objects'));
      const moment = fact.name.startsWith('peak') ? find('peak_unix_ns') : null;
      return element(
        'div',
        { class: 'tile' },
        element('div', { class: 'tile-title' }, fact.title),
        element('div', { class: 'tile-main' }, main),
        element('div', { class: 'interval' }, interval === '' ? 'exact' : `95 %: ${interval}`),
        objects && objects !== fact
          ? element(
              'div',
              { class: 'tile-more' },
              estimateTexts(objects.at()).main,
              ' objects ',
              element('span', { class: 'interval' }, estimateTexts(objects.at()).interval),
            )
          : null,
        moment
          ? element('div', { class: 'tile-more' }, numberText(moment.at().value, 'unix_ns'))
          : null,
      );
    }),
  );
}

function isTileFact(fact) {
  return /_bytes$/u.test(fact.name) && fact.values.unit === 'bytes' && fact.at().value !== null;
}

/** The facts that no tile shows. */
function restOfFacts(section) {
  const inTiles = new Set(
    section.facts
      .filter(isTileFact)
      .flatMap(({ name }) => [name, name.replace(/_bytes$/u, '_objects')]),
  );
  if (inTiles.has('peak_live_bytes')) {
    inTiles.add('peak_unix_ns');
  }
  const rest = section.facts.filter((fact) => !inTiles.has(fact.name));
  return rest.length === 0 ? null : factList(rest, section.report);
}

/** The first rows of a table, which are the most important ones. */
function topRows(section, { show, onstack }) {
  if (!section || section.rowCount === 0 || section.columns.length === 0) {
    return null;
  }
  const table = new TableView(section, { onstack, rowsMax: ROWS_IN_OVERVIEW, isPlain: true });
  const more =
    section.rowCount > ROWS_IN_OVERVIEW
      ? button(`all ${GROUPED.format(section.rowCount)}`, () => show(section.name), {
          class: 'more',
        })
      : null;
  return element(
    'section',
    { class: 'section', 'data-section': `${section.name}-top` },
    element('h2', {}, section.title),
    table.root,
    more,
  );
}
