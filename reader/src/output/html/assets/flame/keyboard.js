'use strict';

/*
 * The flame graph without a mouse: arrows move, Enter zooms in, Escape zooms out.
 */

const FLAME_KEYS = [
  ['arrows', 'move to the caller, the largest callee, the neighbours'],
  ['Enter', 'zoom to the frame'],
  ['Escape', 'back to where you were before the last zoom'],
  ['Home', 'show everything'],
  ['/', 'search'],
  ['n, N', 'next and previous match'],
  ['i', 'turn the graph over: callers or callees on top'],
];

/** Does what the key says in this view; true where it said something. */
function handleFlameKey(event, view) {
  const moves = {
    ArrowUp: () => view.select(view.tree.parent[view.selected]),
    ArrowDown: () => view.select(view.totals.children(view.selected)[0]),
    ArrowLeft: () => view.select(view.canvas.neighbour(view.selected, -1)),
    ArrowRight: () => view.select(view.canvas.neighbour(view.selected, 1)),
    Enter: () => view.zoomTo(view.selected),
    Escape: () => view.zoomBack(),
    Home: () => view.zoomTo(0),
    n: () => view.selectMatch(1),
    N: () => view.selectMatch(-1),
    i: () => view.invert(),
  };
  if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  moves[event.key]();
  event.preventDefault();
  return true;
}
