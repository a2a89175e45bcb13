'use strict';

/*
 * The views of the page: which ones this report has, and how to get from one to another.
 *
 * A view is made when it is first looked at. Its name stands in the address, so that a link leads
 * to it and "back" goes back.
 */

/** `{name, title, make}` for each view that the report has something for. */
function viewsOf(report, pages) {
  const flame = { name: 'flame', title: 'Flame graph', make: () => pages.flame().root };
  if (document.documentElement.dataset.view === 'flamegraph') {
    return drawableSections(report).length > 0 ? [flame] : [];
  }
  const ofKind = (kind) => report.sections.filter((section) => section.kind === kind);
  const histograms = ofKind('histogram');
  const series = ofKind('series').filter((section) => !section.stacks);
  const tables = report.sections.filter(
    (section) => ['table', 'stacks', 'series'].includes(section.kind) && !series.includes(section),
  );
  const tableView = (section) => ({
    name: section.name,
    title: shortTitle(section),
    make: () => tableElement(section, pages),
  });
  const isFirst = (section) =>
    ['checks', 'sites', 'leaks', 'diff', 'growth'].includes(section.name);
  return [
    ...(hasOverview(report)
      ? [{ name: 'overview', title: 'Overview', make: () => overviewElement(report, pages) }]
      : []),
    ...(drawableSections(report).length > 0 ? [flame] : []),
    ...tables.filter(isFirst).map(tableView),
    ...(histograms.length > 0
      ? [{ name: 'histograms', title: 'Histograms', make: () => histogramsElement(histograms) }]
      : []),
    ...(series.length > 0
      ? [{ name: 'time', title: 'Over time', make: () => allSeriesElement(series) }]
      : []),
    ...tables.filter((section) => !isFirst(section)).map(tableView),
  ];
}

/** Sections that everybody knows have a word of their own; the others bring theirs. */
function shortTitle(section) {
  return (
    {
      sites: 'Sites',
      leaks: 'Leaks',
      diff: 'Diff',
      checks: 'Checks',
      blocks: 'Blocks',
      growth: 'Growth',
    }[section.name] ?? section.title
  );
}

function tableElement(section, { onstack }) {
  return sectionElement(section, new TableView(section, { onstack }).root);
}

function histogramsElement(sections) {
  return element(
    'div',
    { class: 'columns' },
    sections.map((section) => sectionElement(section, histogramElement(section))),
  );
}

function allSeriesElement(sections) {
  return element(
    'div',
    {},
    sections.map((section) => sectionElement(section, seriesElement(section))),
  );
}

/** The tabs and the panel under each. */
class Views {
  constructor(views) {
    this.views = views;
    this.panels = new Map();
    this.tabs = views.map((view, index) =>
      button(view.title, () => this.open(view.name), {
        role: 'tab',
        id: `tab-${view.name}`,
        'aria-controls': `view-${view.name}`,
        'aria-selected': 'false',
        tabindex: '-1',
        title: index < 9 ? `key ${index + 1}` : null,
      }),
    );
    this.place = document.getElementById('views');
    const list = element('div', { role: 'tablist', 'aria-label': 'Views' }, this.tabs);
    list.addEventListener('keydown', (event) => this.onTabKey(event));
    document.getElementById('tabs').replaceChildren(list);
    this.place.replaceChildren(...views.map((view) => this.panel(view)));
    globalThis.addEventListener('hashchange', () => this.show(this.named()));
    globalThis.addEventListener('beforeprint', () => views.forEach((view) => this.fill(view)));
    this.show(this.named());
  }

  panel(view) {
    const panel = element('div', {
      role: 'tabpanel',
      id: `view-${view.name}`,
      'aria-labelledby': `tab-${view.name}`,
      hidden: true,
    });
    this.panels.set(view.name, panel);
    return panel;
  }

  /** The view that the address names, or the first. */
  named() {
    const name = decodeURIComponent(location.hash.slice(1));
    return this.views.find((view) => view.name === name) ?? this.views[0];
  }

  open(name) {
    const view = this.views.find((other) => other.name === name);
    if (view) {
      location.hash = view.name;
      this.show(view);
    }
  }

  show(view) {
    if (view === this.shown) {
      return;
    }
    this.shown = view;
    this.views.forEach(({ name }, index) => {
      const isShown = name === view.name;
      this.panels.get(name).hidden = !isShown;
      this.tabs[index].setAttribute('aria-selected', String(isShown));
      this.tabs[index].setAttribute('tabindex', isShown ? '0' : '-1');
    });
    this.fill(view);
  }

  fill(view) {
    const panel = this.panels.get(view.name);
    if (panel.childElementCount === 0) {
      panel.append(view.make());
    }
  }

  /**
   * Goes on with the views of a later report. What somebody may be sorting or searching is left
   * as it is until it is opened again.
   */
  renew(views) {
    this.views = this.views.map((old) => views.find(({ name }) => name === old.name) ?? old);
    const shown = this.panels.get(this.shown.name);
    this.shown = this.views.find(({ name }) => name === this.shown.name);
    for (const [name, panel] of this.panels) {
      const isInUse = panel === shown && panel.querySelector('table, input') !== null;
      if (name !== 'flame' && !isInUse) {
        panel.replaceChildren();
      }
    }
    this.fill(this.shown);
  }

  onTabKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined) {
      const place = this.views.indexOf(this.shown);
      const next = (place + step + this.views.length) % this.views.length;
      this.open(this.views[next].name);
      this.tabs[next].focus();
      event.preventDefault();
    }
  }

  /** Keys that work everywhere; true where one did something. */
  onkey(event) {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const view = this.views[Number(event.key) - 1];
    if (view) {
      this.open(view.name);
    } else if (event.key === '/') {
      this.panels.get(this.shown.name).querySelector('input[type=search]')?.focus();
    } else if (event.key === '?') {
      showKeys();
    } else {
      return;
    }
    event.preventDefault();
  }
}
