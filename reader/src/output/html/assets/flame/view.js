'use strict';

/*
 * The flame graph with everything around it. It holds what is chosen; the parts draw it.
 */

class FlameView {
  constructor(report) {
    this.report = report;
    this.sections = drawableSections(report);
    this.section = this.sections[0];
    this.measure = usualMeasure(this.section);
    this.options = { grouping: 'function', isInverted: false, collapsesRecursion: false };
    this.selected = 0;
    this.hovered = null;
    this.focus = 0;
    this.visited = [];
    this.expression = null;
    this.canvas = new FlameCanvas({
      onselect: (node) => this.select(node),
      onzoom: (node) => this.zoomTo(node),
      onhover: (node, event) => this.hover(node, event),
    });
    this.controls = new FlameControls(this, (changes) => this.choose(changes));
    this.outline = new FlameOutline((node) => this.zoomTo(node));
    this.tooltip = new FlameTooltip();
    this.crumbs = element('nav', { class: 'crumbs', 'aria-label': 'Zoom' });
    this.details = element('aside', { class: 'flame-details', 'aria-label': 'Frame' });
    this.caption = element('p', { class: 'note' });
    this.root = this.layOut();
    this.canvas.canvas.addEventListener('keydown', (event) => handleFlameKey(event, this));
    this.choose({});
  }

  /** Shows a later report about the same target, where it is the same place. */
  update(report) {
    this.report = report;
    this.sections = drawableSections(report);
    const section =
      this.sections.find((other) => other.name === this.section.name) ?? this.sections[0];
    if (section) {
      this.choose({ section });
    }
  }

  layOut() {
    const outline = element(
      'details',
      { class: 'outline-box' },
      element('summary', {}, 'the same as a tree of text'),
      this.outline.root,
    );
    outline.addEventListener('toggle', () => this.showOutline());
    this.outlineBox = outline;
    return element(
      'div',
      { class: 'flame' },
      this.controls.root,
      this.caption,
      this.crumbs,
      element('div', { class: 'flame-main' }, this.canvas.scroller, this.details),
      outline,
      this.tooltip.root,
    );
  }

  /** Takes what the user changed and draws what follows from it. */
  choose({ section, measure, ...options }) {
    const labels = this.tree
      ? this.tree.path(this.focus).map((node) => this.tree.label(node))
      : ['all'];
    const isSameWay = Object.keys(options).length === 0;
    if (section) {
      this.section = section;
      this.measure =
        measuresOf(section).find(({ key }) => key === this.measure.key) ?? usualMeasure(section);
    }
    this.measure = measure ?? this.measure;
    this.options = { ...this.options, ...options };
    if (section || !isSameWay || !this.tree) {
      this.tree = new FlameTree(this.section, this.options);
      this.visited = [];
    }
    this.totals = new FlameTotals(this.tree, this.measure, this.section.rowCount);
    // Another measure is looked at in the same place; turned over, the place has no counterpart.
    this.focus = isSameWay ? this.tree.follow(labels) : 0;
    this.selected = this.focus;
    this.controls.show(this);
    this.showCaption();
    this.searchFor(this.expression);
    this.canvas.fit();
    this.zoomTo(this.focus, true);
  }

  showCaption() {
    const { totals, measure } = this;
    const fact = this.section.name === 'sites' ? this.report.fact(measure.key) : null;
    const { main, interval } = fact ? estimateTexts(fact.at()) : totals.text(0);
    const what = measure.comparison
      ? 'change from before to after'
      : `${measure.familyText} ${measure.unit === 'bytes' ? 'bytes' : 'objects'}`;
    const amount =
      interval === '' ? main : `${main} ${measure.comparison ? `(${interval})` : interval}`;
    this.caption.textContent =
      totals.whole > 0
        ? `${what}: ${amount}, in ${GROUPED.format(totals.rowCount[0])} call stacks`
        : `nothing is ${measure.familyText} here`;
    this.canvas.canvas.setAttribute(
      'aria-label',
      `Flame graph of ${this.caption.textContent}. Arrows move, Enter zooms, slash searches; a tree of text follows.`,
    );
  }

  draw() {
    const { totals, selected, hovered, search } = this;
    this.canvas.show({ totals, selected, hovered, search });
  }

  /** Makes a node the one that keys and details are about. */
  select(node) {
    if (node === null || node === undefined || node < 0) {
      return;
    }
    this.selected = node;
    this.details.replaceChildren(...frameDetails(this.totals, node, this.totals.whole));
    this.draw();
    this.canvas.reveal(node);
    announce(frameSentence(this.totals, node));
  }

  hover(node, event) {
    this.tooltip.show(this.totals, node, event);
    if (node !== this.hovered) {
      this.hovered = node;
      this.draw();
    }
  }

  zoomTo(node, isReturning = false) {
    if (!isReturning && node !== this.focus) {
      this.visited.push(this.focus);
    }
    this.focus = node;
    this.draw();
    this.canvas.zoomTo(node, isReturning && this.visited.length === 0);
    this.showCrumbs();
    this.select(node);
    this.showOutline();
  }

  zoomBack() {
    this.zoomTo(this.visited.pop() ?? 0, true);
  }

  invert() {
    this.choose({ isInverted: !this.options.isInverted });
  }

  showCrumbs() {
    const path = this.tree.path(this.focus);
    // The ends of a long way are what one wants to return to.
    const shown = path.length > 7 ? [...path.slice(0, 2), null, ...path.slice(-4)] : path;
    this.crumbs.replaceChildren(
      ...shown.map((node) =>
        node === null
          ? element('span', { class: 'faint' }, '…')
          : button(this.tree.label(node), () => this.zoomTo(node), {
              'aria-current': node === this.focus ? 'true' : null,
            }),
      ),
    );
  }

  showOutline() {
    if (this.outlineBox.open) {
      this.outline.show(this.totals, this.focus);
    }
  }

  searchFor(expression) {
    this.expression = expression;
    this.search = expression === null ? null : new FlameSearch(this.totals, expression);
    this.match = -1;
    this.controls.showResult(this.totals, this.search);
    this.draw();
  }

  /** Goes to the next match, or the one before. */
  selectMatch(step) {
    const nodes = this.search?.nodes ?? [];
    if (nodes.length === 0) {
      return;
    }
    const start = this.match < 0 && step < 0 ? 0 : this.match;
    this.match = (start + step + nodes.length) % nodes.length;
    const node = nodes[this.match];
    // What is too narrow to be seen is zoomed to, in its caller's context.
    if (!this.canvas.rects.row(this.tree.depth[node]).some((rect) => rect.node === node)) {
      this.zoomTo(this.tree.parent[node]);
    }
    this.select(node);
  }

  /** Shows one stack of a section, from another view. */
  showStack(section, stack) {
    if (this.sections.includes(section) && section !== this.section) {
      this.choose({ section });
    }
    if (this.options.isInverted) {
      this.choose({ isInverted: false });
    }
    this.zoomTo(Math.max(0, this.tree.nodeOfStack[stack] ?? 0));
  }
}
