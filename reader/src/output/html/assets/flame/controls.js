'use strict';

/*
 * The row above a flame graph: what is measured, which way it stands, and the search.
 */

class FlameControls {
  /** `choose(changes)` is called with what the user changed of `{section, measure, ...}`. */
  constructor(view, choose) {
    this.view = view;
    this.choose = choose;
    this.search = element('input', {
      type: 'search',
      placeholder: 'search by regular expression',
      'aria-label': 'Search frames',
      oninput: () => view.searchFor(expressionIn(this.search)),
      onkeydown: (event) => this.onSearchKey(event),
    });
    this.result = element('output', { class: 'count', 'aria-live': 'polite' });
    this.choices = element('div', { class: 'toolbar' });
    this.options = element('div', { class: 'toolbar-part' });
    this.root = element(
      'div',
      { class: 'flame-controls' },
      this.choices,
      element('div', { class: 'toolbar' }, this.search, this.result, this.options),
    );
  }

  /** Draws the choices anew, since they depend on each other. */
  show({ sections, section, measure, options }) {
    const measures = measuresOf(section);
    this.choices.replaceChildren(
      ...(sections.length > 1 ? [this.sectionChoice(sections, section)] : []),
      this.familyChoice(measures, measure),
      ...this.unitChoice(measures, measure),
      choice(
        'Direction',
        [
          {
            value: 'callers',
            text: 'callers on top',
            title: 'From the first function down to who allocates',
          },
          {
            value: 'leaves',
            text: 'allocators on top',
            title: 'From who allocates to all who call it',
          },
        ],
        options.isInverted ? 'leaves' : 'callers',
        (value) => this.choose({ isInverted: value === 'leaves' }),
      ),
    );
    this.options.replaceChildren(
      selection(
        'by',
        [
          { value: 'function', text: 'function' },
          { value: 'line', text: 'source line' },
          { value: 'module', text: 'module' },
        ],
        options.grouping,
        (grouping) => this.choose({ grouping }),
      ),
      this.recursionBox(options),
    );
  }

  sectionChoice(sections, section) {
    const options = sections.map(({ name, title }) => ({ value: name, text: title }));
    return selection('of', options, section.name, (name) =>
      this.choose({ section: sections.find((other) => other.name === name) }),
    );
  }

  familyChoice(measures, measure) {
    const families = [
      ...new Map(measures.map(({ family, familyText }) => [family, familyText])).entries(),
    ];
    const options = families.map(([value, text]) => ({ value, text }));
    return choice('Measure', options, measure.family, (family) => {
      const members = measures.filter((other) => other.family === family);
      this.choose({ measure: members.find((other) => other.unit === measure.unit) ?? members[0] });
    });
  }

  unitChoice(measures, measure) {
    const members = measures.filter((other) => other.family === measure.family);
    if (members.length < 2) {
      return [];
    }
    const words = { bytes: 'bytes', count: 'objects' };
    const options = members.map(({ key, unit }) => ({ value: key, text: words[unit] }));
    return [
      choice('Unit', options, measure.key, (key) =>
        this.choose({ measure: members.find((other) => other.key === key) }),
      ),
    ];
  }

  recursionBox(options) {
    const box = element('input', {
      type: 'checkbox',
      onchange: () => this.choose({ collapsesRecursion: box.checked }),
    });
    box.checked = options.collapsesRecursion;
    return element(
      'label',
      { class: 'field', title: 'Draw a function that calls itself once' },
      box,
      element('span', {}, 'collapse recursion'),
    );
  }

  onSearchKey(event) {
    if (event.key === 'Enter') {
      this.view.selectMatch(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      this.search.value = '';
      this.view.searchFor(null);
      this.view.canvas.canvas.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Says what the search found. */
  showResult(totals, search) {
    if (search === null) {
      this.result.textContent = this.search.getAttribute('aria-invalid')
        ? 'not a regular expression'
        : '';
      return;
    }
    const amount = numberText(search.total, totals.measure.unit);
    this.result.textContent =
      search.nodeCount === 0
        ? 'no match'
        : `${amount}, ${shareText(search.total, totals.whole)} in ${GROUPED.format(search.nodeCount)} frames`;
  }
}
