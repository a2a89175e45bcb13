'use strict';

/*
 * A table that one can sort and filter. A hundred thousand rows are sorted and searched as
 * numbers; only as many become elements as somebody asked to see.
 */

const ROWS_SHOWN = 50;

class TableView {
  /** `onstack` is called with the stack of a row that somebody wants to see in its context. */
  constructor(section, { onstack = null, rowsMax = ROWS_SHOWN, isPlain = false } = {}) {
    this.section = section;
    this.report = section.report;
    this.onstack = section.stacks ? onstack : null;
    this.columns = section.columns.filter((column) => !column.isDerived && column.unit !== 'stack');
    this.rows = Uint32Array.from({ length: section.rowCount }, (_, row) => row);
    this.rowsMax = rowsMax;
    this.sorting = { column: null, isDescending: true };
    this.body = element('tbody');
    this.count = element('p', { class: 'count', 'aria-live': 'polite' });
    this.more = button('', () => this.showMore(), { class: 'more' });
    this.head = this.columns.map((column) => this.headCell(column));
    this.root = element('div', { class: 'table-view' },
      isPlain ? null : this.toolbar(),
      element('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': section.title }, this.table()),
      isPlain ? null : this.more);
    this.show();
  }

  toolbar() {
    this.filter = element('input', {
      type: 'search', placeholder: 'filter by regular expression', 'aria-label': `Filter ${this.section.title}`,
      oninput: () => this.select(),
    });
    return element('div', { class: 'toolbar' }, this.filter, this.count);
  }

  table() {
    const stackHead = this.section.stacks
      ? element('th', { scope: 'col', class: 'stack-column' }, this.section.stacks.title) : null;
    return element('table', {},
      element('caption', { class: 'visually-hidden' }, this.section.title),
      element('thead', {}, element('tr', {}, this.head, stackHead)), this.body);
  }

  headCell(column) {
    const sort = button(column.title, () => this.sortBy(column), { class: 'sort' });
    return element('th', { scope: 'col', class: isRightAligned(column) ? 'is-number' : null, 'aria-sort': 'none' }, sort);
  }

  /** By rising and falling values in turn, then as the report has them again. */
  sortBy(column) {
    const { sorting } = this;
    const isFirst = sorting.column !== column;
    const startsDescending = column.isNumber;
    if (isFirst) {
      this.sorting = { column, isDescending: startsDescending };
    } else if (sorting.isDescending === startsDescending) {
      sorting.isDescending = !startsDescending;
    } else {
      this.sorting = { column: null, isDescending: true };
    }
    this.head.forEach((cell, index) => {
      const isSorted = this.columns[index] === this.sorting.column;
      const direction = this.sorting.isDescending ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', isSorted ? direction : 'none');
    });
    this.select();
  }

  /** Takes the rows that pass the filter, in the order that was asked for. */
  select() {
    const matches = this.matcher();
    const all = Uint32Array.from({ length: this.section.rowCount }, (_, row) => row);
    this.rows = matches === null ? all : all.filter(matches);
    const { column, isDescending } = this.sorting;
    if (column !== null) {
      const sign = isDescending ? -1 : 1;
      const rank = rankOf(column);
      this.rows.sort((left, right) => sign * rank(left, right) || left - right);
    }
    this.rowsMax = ROWS_SHOWN;
    this.show();
  }

  /** Whether a row has the expression in one of its texts or frames; null where all have. */
  matcher() {
    const expression = this.filter ? expressionIn(this.filter) : null;
    if (expression === null) {
      return null;
    }
    const texts = this.columns.filter((column) => column.unit === 'text');
    const isFound = this.report.texts.map((text) => expression.test(text));
    const { stacks } = this.section;
    const isThrough = stacks ? stacksThrough(this.report, isFound) : null;
    return (row) => texts.some((column) => isFound[column.value[row]])
      || (stacks && stacks.value[row] !== null && isThrough[stacks.value[row]] === 1);
  }

  showMore() {
    const shown = this.body.children.length;
    this.rowsMax += ROWS_SHOWN * 4;
    this.show();
    this.body.children[shown]?.querySelector('button')?.focus();
  }

  show() {
    this.body.replaceChildren(...Array.from(this.rows.subarray(0, this.rowsMax), (row) => this.row(row)));
    const left = this.rows.length - this.rowsMax;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show more of the ${GROUPED.format(this.rows.length)} rows`;
    const all = GROUPED.format(this.section.rowCount);
    this.count.textContent = this.rows.length === this.section.rowCount
      ? `${all} rows` : `${GROUPED.format(this.rows.length)} of ${all} rows`;
    if (this.rows.length === 0) {
      const width = this.columns.length + (this.section.stacks ? 1 : 0);
      this.body.append(element('tr', {}, element('td', { class: 'empty', colspan: width }, 'none')));
    }
  }

  row(row) {
    const cells = this.columns.map((column) => element('td', { class: isRightAligned(column) ? 'is-number' : null },
      valueElement(column.at(row), { isChange: column.isChange, isVerdict: column.key === 'verdict' })));
    return element('tr', {}, cells, this.stackCell(row));
  }

  stackCell(row) {
    const { stacks } = this.section;
    if (!stacks) {
      return null;
    }
    const stack = stacks.value[row];
    const show = this.onstack && stack !== null
      ? button('in the graph', () => this.onstack(this.section, stack), { class: 'quiet', title: 'Show this stack in the flame graph' })
      : null;
    return element('td', { class: 'stack-column' }, stackElement(this.report, stack), show);
  }
}

/** Numbers stand with their last digits under each other. */
function isRightAligned(column) {
  return column.isNumber || column.unit === 'id';
}

/** Compares rows by a column; what is unknown comes first, as the smallest. */
function rankOf(column) {
  const { value, report } = column;
  if (column.unit === 'text') {
    return (left, right) => (report.texts[value[left]] ?? '').localeCompare(report.texts[value[right]] ?? '');
  }
  const number = (row) => value[row] ?? Number.NEGATIVE_INFINITY;
  return (left, right) => {
    const [one, other] = [number(left), number(right)];
    return one === other ? 0 : one - other;
  };
}

/** For each stack 1 where one of its frames has a text that was found. */
function stacksThrough(report, isFound) {
  const { caller, frame } = report.stacks;
  const { name, file, module } = report.frames;
  const isFrameFound = name.map((text, index) => isFound[text]
    || (file[index] > 0 && isFound[file[index]]) || (module[index] > 0 && isFound[module[index]]));
  const through = new Uint8Array(frame.length);
  for (let node = 0; node < frame.length; node += 1) {
    through[node] = isFrameFound[frame[node]] || (caller[node] >= 0 && through[caller[node]] === 1) ? 1 : 0;
  }
  return through;
}
