'use strict';

/*
 * What is known about one frame of the graph, beside it and at the pointer.
 */

/** All about the node: its name and place, how much passes through it, how much ends there. */
function frameDetails(totals, node, whole) {
  const { tree, measure } = totals;
  const { main, interval } = totals.text(node);
  const parent = node === 0 ? 0 : tree.parent[node];
  const rows = [
    [totals.before ? 'change' : 'total', main, interval],
    totals.before ? null : ['of all', shareText(totals.total[node], whole)],
    totals.before || parent === 0
      ? null
      : [
          tree.isInverted ? 'of the callee' : 'of the caller',
          shareText(totals.total[node], totals.total[parent]),
        ],
    totals.before || tree.isInverted || node === 0 ? null : ['self', totals.selfText(node)],
    ['call stacks', GROUPED.format(totals.rowCount[node])],
    ...placeRows(tree, node),
  ];
  const present = rows.filter((row) => row !== null && row[1] !== '');
  return [
    element('h2', {}, nameElement('frame-name', tree.label(node))),
    element(
      'dl',
      { class: 'facts' },
      present.map(([title, text, more]) =>
        element(
          'div',
          {},
          element('dt', {}, title),
          element(
            'dd',
            { class: 'number' },
            text,
            more ? [' ', element('span', { class: 'interval' }, more)] : null,
          ),
        ),
      ),
    ),
    totals.before
      ? element(
          'p',
          { class: 'note' },
          `As wide as the larger of before and after: ${numberText(totals.total[node], measure.unit)}.`,
        )
      : null,
  ].filter((part) => part !== null);
}

function placeRows(tree, node) {
  if (node === 0) {
    return [];
  }
  const { groups } = tree;
  const group = tree.group[node];
  const frame = tree.report.frame(groups.frames[group]);
  const others = groups.frameCounts[group] - 1;
  const place = fullPlaceText(frame);
  return [
    ['place', others > 0 && place !== '' ? `${place} and ${others} more` : place],
    ['module', frame.module],
    ['build id', frame.line > 0 ? '' : frame.buildId],
    ['inlined', frame.isInlined ? 'into its caller' : ''],
  ];
}

/** One sentence about the node, for those who listen. */
function frameSentence(totals, node) {
  const { main } = totals.text(node);
  const share = totals.before ? '' : `, ${shareText(totals.total[node], totals.whole)} of all`;
  return `${totals.tree.label(node)}: ${main}${share}, level ${totals.tree.depth[node]}`;
}

/** A small box that follows the pointer. */
class FlameTooltip {
  constructor() {
    this.root = element('div', { class: 'tooltip', 'aria-hidden': 'true', hidden: true });
  }

  show(totals, node, event) {
    this.root.hidden = node === null;
    if (node === null) {
      return;
    }
    const { main, interval } = totals.text(node);
    const share = totals.before
      ? interval
      : `${shareText(totals.total[node], totals.whole)} ${interval}`;
    this.root.replaceChildren(
      element('strong', {}, totals.tree.label(node)),
      element('div', {}, `${main}, ${share}`),
    );
    const { innerWidth, innerHeight } = globalThis;
    const { offsetWidth, offsetHeight } = this.root;
    const left = Math.min(event.clientX + 14, innerWidth - offsetWidth - 8);
    const isLow = event.clientY + 18 + offsetHeight > innerHeight;
    this.root.style.left = `${Math.max(8, left)}px`;
    this.root.style.top = `${isLow ? event.clientY - offsetHeight - 10 : event.clientY + 18}px`;
  }
}
