'use strict';

/*
 * Which columns of a table stand together, and which are shown before somebody asks for more:
 * twelve numbers a row would push the call stack off the screen.
 */

/** Groups of numbers that fit beside a call stack. */
const NUMBER_GROUPS_SHOWN = 4;

/** Columns that follow from others in all people's heads: they stand back first. */
const FOLLOWS_FROM_OTHERS = /^freed_/u;

/**
 * The columns in groups `{main, second, isShown}`: bytes with the objects of the same quantity
 * under them, every other column by itself.
 */
function columnGroups(section) {
  const columns = section.columns.filter((column) => !column.isDerived && column.unit !== 'stack');
  const partner = (column) =>
    column.key.includes('_bytes')
      ? (columns.find((other) => other.key === column.key.replace('_bytes', '_objects')) ?? null)
      : null;
  const partners = new Set(columns.map(partner));
  const groups = columns
    .filter((column) => !partners.has(column))
    .map((main) => ({ main, second: partner(main), isShown: true }));
  hideSome(groups.filter(({ main }) => main.isNumber));
  return groups;
}

/** Leaves the first groups, but those with nothing in them stand back for the others. */
function hideSome(groups) {
  if (groups.length <= NUMBER_GROUPS_SHOWN + 1) {
    return;
  }
  const says = ({ main }) =>
    !FOLLOWS_FROM_OTHERS.test(main.key) &&
    main.value.some((value) => value !== null && value !== 0);
  const shown = new Set(groups.filter(says).slice(0, NUMBER_GROUPS_SHOWN));
  groups.forEach((group) => {
    group.isShown = shown.has(group);
  });
}

/** Boxes to choose the groups with; null where all are shown anyway. */
function columnChoice(groups, onchange) {
  if (groups.every(({ isShown }) => isShown)) {
    return null;
  }
  const boxes = groups.map((group) => {
    const box = element('input', {
      type: 'checkbox',
      onchange: () => {
        group.isShown = box.checked;
        onchange();
      },
    });
    box.checked = group.isShown;
    return element('label', { class: 'field' }, box, element('span', {}, group.main.title));
  });
  return element(
    'details',
    { class: 'column-choice' },
    element('summary', {}, 'columns'),
    element('div', { class: 'toolbar-part' }, boxes),
  );
}

/** Numbers stand with their last digits under each other. */
function isRightAligned(column) {
  return column.isNumber || column.unit === 'id';
}

/** What a row has in a group. */
function groupCell({ main, second }, row) {
  const isVerdict = main.key === 'verdict';
  return element(
    'td',
    { class: isRightAligned(main) ? 'is-number' : null },
    valueElement(main.at(row), { isChange: main.isChange, isVerdict }),
    second === null
      ? null
      : element(
          'div',
          { class: 'second' },
          valueElement(second.at(row), { isChange: second.isChange }),
          element('span', { class: 'visually-hidden' }, ' objects'),
        ),
  );
}

/** Compares rows by a column; what is unknown comes first, as the smallest. */
function rankOf(column) {
  const { value, report } = column;
  if (column.unit === 'text') {
    return (left, right) =>
      (report.texts[value[left]] ?? '').localeCompare(report.texts[value[right]] ?? '');
  }
  const number = (row) => value[row] ?? Number.NEGATIVE_INFINITY;
  return (left, right) => {
    const [one, other] = [number(left), number(right)];
    return one === other ? 0 : one - other;
  };
}
