'use strict';

/*
 * Histograms as tables whose last column is a bar: what is seen can be read, copied and heard.
 */

/** One row a bucket: its bounds, its value, a bar as long as its share of the largest. */
function histogramElement(section) {
  const [low, high, value] = ['low', 'high', 'value'].map((key) => section.column(key));
  const numbers = value.value.map((number) => number ?? 0);
  // An interval may reach far beyond every value; bars must stay comparable all the same.
  const largest = Math.max(0, ...numbers) || 1;
  const reach = Math.min(
    largest * 1.5,
    Math.max(largest, ...(value.high ?? []).map((bound) => bound ?? 0)),
  );
  const rows = numbers.map((number, row) =>
    element(
      'tr',
      {},
      element(
        'th',
        { scope: 'row', class: 'is-number' },
        rangeText(low.value[row], high.value[row], low.unit),
      ),
      element('td', { class: 'is-number' }, valueElement(value.at(row))),
      element('td', { class: 'bar-column' }, barElement(value.at(row), reach)),
    ),
  );
  return element(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': section.title },
    element(
      'table',
      { class: 'histogram' },
      element('caption', { class: 'visually-hidden' }, section.title),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          element(
            'th',
            { scope: 'col', class: 'is-number' },
            low.unit === 'duration_ns' ? 'lifetime' : 'size',
          ),
          element('th', { scope: 'col', class: 'is-number' }, section.measure),
          element('th', { scope: 'col' }, element('span', { class: 'visually-hidden' }, 'share')),
        ),
      ),
      element(
        'tbody',
        {},
        rows.length > 0
          ? rows
          : element('tr', {}, element('td', { class: 'empty', colspan: 3 }, 'none')),
      ),
    ),
  );
}

/** `16 B – 32 B`; the upper bound does not belong to the bucket. */
function rangeText(low, high, unit) {
  return high === null
    ? `${numberText(low, unit)} and more`
    : `${numberText(low, unit)} – ${numberText(high, unit)}`;
}

/** A bar with a thin line over it from the low to the high end of the interval. */
function barElement({ value, low, high }, reach) {
  const percent = (number) => `${Math.min(100, Math.max(0, (number / reach) * 100)).toFixed(2)}%`;
  const bar = element('span', { class: 'bar', styles: { width: percent(value ?? 0) } });
  if (low === null) {
    return element('div', { class: 'bar-track', 'aria-hidden': 'true' }, bar);
  }
  const end = high ?? Number.POSITIVE_INFINITY;
  const isCut = end > reach;
  const whisker = element('span', {
    class: isCut ? 'whisker is-cut' : 'whisker',
    styles: { left: percent(low), width: `calc(${percent(end)} - ${percent(low)})` },
  });
  return element('div', { class: 'bar-track', 'aria-hidden': 'true' }, bar, whisker);
}
