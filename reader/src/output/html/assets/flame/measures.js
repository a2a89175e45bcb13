'use strict';

/*
 * What the widths of a flame graph can mean: the columns of a section that can be added up.
 */

/** The words for the families of columns, in the order in which they are offered. */
const FAMILIES = [
  ['live', 'live'],
  ['peak_live', 'at peak'],
  ['allocated', 'allocated'],
  ['freed', 'freed'],
  ['temporary', 'temporary'],
  ['leaked', 'leaked'],
];

/**
 * The measures of a section: `{key, family, familyText, unit, ...}` with the weight of each row.
 *
 * A quantity of which the section has `_before`, `_after` and `_change` becomes one measure that
 * compares: it is as wide as the larger of the two, so that nothing vanishes, and has the change.
 */
function measuresOf(section) {
  const comparisons = section.columns
    .filter((column) => column.key.endsWith('_change'))
    .map((change) => comparison(section, change));
  const compared = comparisons.filter((measure) => measure !== null);
  const plain = section.columns
    .filter((column) => isAddable(column) && !/_(before|after|change)$/u.test(column.key))
    .map(plainMeasure);
  const order = (measure) => {
    const place = FAMILIES.findIndex(([family]) => family === measure.family);
    return place < 0 ? FAMILIES.length : place;
  };
  return [...compared, ...plain].sort((left, right) => order(left) - order(right));
}

function isAddable(column) {
  return ['bytes', 'count'].includes(column.unit) && !column.isChange;
}

function plainMeasure(column) {
  return {
    ...familyOf(column.key, column.title),
    key: column.key,
    title: column.title,
    unit: column.unit,
    column,
    weightOf: (row) => Math.max(0, column.value[row] ?? 0),
    comparison: null,
  };
}

function comparison(section, change) {
  const quantity = change.key.slice(0, -'_change'.length);
  const [before, after] = [
    section.column(`${quantity}_before`),
    section.column(`${quantity}_after`),
  ];
  if (!before || !after) {
    return null;
  }
  return {
    ...familyOf(quantity, change.title),
    key: change.key,
    title: change.title,
    unit: change.unit,
    column: change,
    weightOf: (row) => Math.max(0, before.value[row] ?? 0, after.value[row] ?? 0),
    comparison: {
      beforeOf: (row) => before.value[row] ?? 0,
      afterOf: (row) => after.value[row] ?? 0,
    },
  };
}

function familyOf(key, title) {
  const family = key.replace(/_(bytes|objects)$/u, '');
  return { family, familyText: FAMILIES.find(([name]) => name === family)?.[1] ?? title };
}

/** The sections that can be drawn; tables, which may be cut, only for want of better. */
function drawableSections(report) {
  const ofKind = (kind) =>
    report.sections.filter(
      (section) => section.kind === kind && section.stacks && measuresOf(section).length > 0,
    );
  const complete = ofKind('stacks');
  return complete.length > 0 ? complete : ofKind('table');
}

/** The measure that most people ask for first, among those that are not zero everywhere. */
function usualMeasure(section) {
  const measures = measuresOf(section);
  const isPresent = (measure) =>
    measure.column.value.some((value) => value !== null && value !== 0);
  return (
    measures.find((measure) => measure.unit === 'bytes' && isPresent(measure)) ??
    measures.find(isPresent) ??
    measures[0]
  );
}
