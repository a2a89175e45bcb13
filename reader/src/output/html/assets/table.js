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
    this.groups = columnGroups(section);
    this.columns = this.groups.flatMap(({ main, second }) =>
      second === null ? [main] : [main, second],
    );
    this.rows = Uint32Array.from({ length: section.rowCount }, (_, row) => row);
    this.rowsMax = rowsMax;
    this.sorting = { column: null, isDescending: true };
    this.body = element('tbody');
    this.count = element('p', { class: 'count', 'aria-live': 'polite' });
    this.more = button('', () => this.showMore(), { class: 'more' });
    this.head = element('tr');
    this.root = element(
      'div',
      { class: 'table-view' },
      isPlain ? null : this.toolbar(),
      element(
        'div',
        { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': section.title },
        this.table(),
      ),
      isPlain ? null : this.more,
    );
    this.show();
  }

  toolbar() {
    this.filter = element('input', {
      type: 'search',
      placeholder: 'filter by regular expression',
      'aria-label': `Filter ${this.section.title}`,
      oninput: () => this.select(),
    });
    return element(
      'div',
      { class: 'toolbar' },
      this.filter,
      this.count,
      columnChoice(this.groups, () => this.show()),
    );
  }

  table() {
    return element(
      'table',
      {},
      element('caption', { class: 'visually-hidden' }, this.section.title),
      element('thead', {}, this.head),
      this.body,
    );
  }

  get shownGroups() {
    return this.groups.filter(({ isShown }) => isShown);
  }

  showHead() {
    const { stacks } = this.section;
    const cells = this.shownGroups.map((group) => this.headCell(group));
    this.head.replaceChildren(
      ...cells,
      ...(stacks ? [element('th', { scope: 'col', class: 'stack-column' }, stacks.title)] : []),
    );
  }

  headCell({ main, second }) {
    const { column, isDescending } = this.sorting;
    const isSorted = column !== null && (column === main || column === second);
    const direction = isDescending ? 'descending' : 'ascending';
    return element(
      'th',
      {
        scope: 'col',
        class: isRightAligned(main) ? 'is-number' : null,
        'aria-sort': isSorted ? direction : 'none',
      },
      this.sortButton(main, main.title),
      second === null ? null : element('div', {}, this.sortButton(second, 'objects')),
    );
  }

  sortButton(column, text) {
    const isSorted = this.sorting.column === column;
    return button(text, () => this.sortBy(column), {
      class: 'sort',
      'data-key': column.key,
      'data-sorted': isSorted ? (this.sorting.isDescending ? 'descending' : 'ascending') : null,
    });
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
    this.select();
    this.head.querySelector(`[data-key="${CSS.escape(column.key)}"]`)?.focus();
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
    return (row) =>
      texts.some((column) => isFound[column.value[row]]) ||
      (stacks && stacks.value[row] !== null && isThrough[stacks.value[row]] === 1);
  }

  showMore() {
    const shown = this.body.children.length;
    this.rowsMax += ROWS_SHOWN * 4;
    this.show();
    this.body.children[shown]?.querySelector('button')?.focus();
  }

  show() {
    this.showHead();
    this.body.replaceChildren(
      ...Array.from(this.rows.subarray(0, this.rowsMax), (row) => this.row(row)),
    );
    const left = this.rows.length - this.rowsMax;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show more of the ${GROUPED.format(this.rows.length)} rows`;
    const all = GROUPED.format(this.section.rowCount);
    this.count.textContent =
      this.rows.length === this.section.rowCount
        ? `${all} rows`
        : `${GROUPED.format(this.rows.length)} of ${all} rows`;
    if (this.rows.length === 0) {
      const width = this.shownGroups.length + (this.section.stacks ? 1 : 0);
      this.body.append(
        element('tr', {}, element('td', { class: 'empty', colspan: width }, 'none')),
      );
    }
  }

  row(row) {
    return element(
      'tr',
      {},
      this.shownGroups.map((group) => groupCell(group, row)),
      this.stackCell(row),
    );
  }

  stackCell(row) {
    const { stacks } = this.section;
    if (!stacks) {
      return null;
    }
    const stack = stacks.value[row];
    const show =
      this.onstack && stack !== null
        ? button('in the graph', () => this.onstack(this.section, stack), {
            class: 'quiet',
            title: 'Show this stack in the flame graph',
          })
        : null;
    return element('td', { class: 'stack-column' }, stackElement(this.report, stack, show));
  }
}

/** For each stack 1 where one of its frames has a text that was found. */
function stacksThrough(report, isFound) {
  const { caller, frame } = report.stacks;
  const { name, file, module } = report.frames;
  const isFrameFound = name.map(
    (text, index) =>
      isFound[text] ||
      (file[index] > 0 && isFound[file[index]]) ||
      (module[index] > 0 && isFound[module[index]]),
  );
  const through = new Uint8Array(frame.length);
  for (let node = 0; node < frame.length; node += 1) {
    through[node] =
      isFrameFound[frame[node]] || (caller[node] >= 0 && through[caller[node]] === 1) ? 1 : 0;
  }
  return through;
}
