'use strict';

/*
 * Draws the tree on a canvas: what can be seen of it, and nothing else.
 *
 * Nodes have places from 0 to 1 in the whole; a window of that is stretched over the canvas, and
 * zooming moves the window. A subtree is left out where it is beside the window or narrower than
 * half a pixel, so a picture costs what is seen in it, however many nodes there are.
 */

const ROW_HEIGHT = 20;
const FONT = '11.5px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace';
const ROWS_LEAST = 8;
const NARROWEST = 0.5;
const ZOOM_MS = 160;
const NOT_ASCII = /[^ -~…]/u;

class FlameCanvas {
  /** `actions` has `onselect(node)`, `onzoom(node)` and `onhover(node, event)`. */
  constructor(actions) {
    this.actions = actions;
    this.canvas = element('canvas', {
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'flame graph',
    });
    this.spacer = element('div', { class: 'flame-spacer' });
    this.scroller = element('div', { class: 'flame-scroll' }, this.canvas, this.spacer);
    this.window = { start: 0, width: 1 };
    this.state = null;
    this.rects = new DrawnRects();
    this.frameMs = 0;
    this.listen();
  }

  listen() {
    const { canvas, scroller } = this;
    scroller.addEventListener('scroll', () => this.paintSoon());
    new ResizeObserver(() => this.resize()).observe(scroller);
    canvas.addEventListener('click', (event) => {
      const node = this.nodeAt(event);
      canvas.focus({ preventScroll: true });
      if (node !== null) {
        this.actions.onselect(node);
        this.actions.onzoom(node);
      }
    });
    ['focus', 'blur'].forEach((kind) => canvas.addEventListener(kind, () => this.paintSoon()));
    canvas.addEventListener('pointermove', (event) =>
      this.actions.onhover(this.nodeAt(event), event),
    );
    canvas.addEventListener('pointerleave', (event) => this.actions.onhover(null, event));
  }

  /** Takes what is to be drawn: `{totals, selected, hovered, search}`. */
  show(state) {
    this.state = state;
    this.paintSoon();
  }

  setTheme(isDark) {
    this.palette = new FlamePalette(isDark);
    // At once, since a printer does not wait for the next picture.
    this.paint();
  }

  /** Stretches the node over the whole width; glides there unless people want less motion. */
  zoomTo(node, isInstant = false) {
    const target = this.placeOf(node);
    const from = { ...this.window };
    const isStill = isInstant || matchMedia('(prefers-reduced-motion: reduce)').matches;
    const begin = performance.now();
    cancelAnimationFrame(this.gliding);
    const glide = (now) => {
      const share = isStill ? 1 : Math.min(1, Math.max(0, (now - begin) / ZOOM_MS));
      const eased = 1 - (1 - share) ** 3;
      this.window = {
        start: from.start + (target.start - from.start) * eased,
        width: from.width + (target.width - from.width) * eased,
      };
      this.paint();
      if (share < 1) {
        this.gliding = requestAnimationFrame(glide);
      }
    };
    glide(begin);
  }

  /** Makes room for the deepest stack, as far as the page allows. */
  fit() {
    const { tree, total } = this.state.totals;
    let deepest = 0;
    for (let node = 0; node < tree.size; node += 1) {
      if (total[node] > 0 && tree.depth[node] > deepest) {
        deepest = tree.depth[node];
      }
    }
    this.scroller.style.height = `${(Math.max(deepest, ROWS_LEAST) + 2) * ROW_HEIGHT}px`;
  }

  /** Where the node lies in the whole. */
  placeOf(node) {
    const { totals } = this.state;
    const { tree } = totals;
    let start = 0;
    for (let at = node; at > 0; at = tree.parent[at]) {
      for (const sibling of totals.children(tree.parent[at])) {
        if (sibling === at) {
          break;
        }
        start += totals.total[sibling];
      }
    }
    const whole = totals.whole || 1;
    return { start: start / whole, width: (node === 0 ? whole : totals.total[node]) / whole };
  }

  /** Scrolls until the row of the node can be seen. */
  reveal(node) {
    const top = this.state.totals.tree.depth[node] * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop || top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.scroller.scrollTop = Math.max(0, top - clientHeight / 3);
    }
  }

  resize() {
    const ratio = globalThis.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.scroller;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.context = this.canvas.getContext('2d', { alpha: false });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.direction = 'ltr';
    this.context.font = FONT;
    this.context.textBaseline = 'middle';
    this.letterWidth = this.context.measureText('0').width;
    this.paint();
  }

  paintSoon() {
    cancelAnimationFrame(this.painting);
    this.painting = requestAnimationFrame(() => this.paint());
  }

  paint() {
    if (!this.context || !this.palette || !this.state || this.width === 0) {
      return;
    }
    const begin = performance.now();
    this.layOut();
    // The spacer stands behind the canvas, which is as high as the view and stays in it.
    const below = (this.rects.deepest + 1) * ROW_HEIGHT - this.height;
    this.spacer.style.height = `${Math.max(0, below)}px`;
    this.context.fillStyle = this.palette.background;
    this.context.fillRect(0, 0, this.width, this.height);
    this.rects.eachRow((row) => this.paintRow(row));
    this.frameMs = performance.now() - begin;
  }

  /** Finds the rectangles that are seen. */
  layOut() {
    const { totals } = this.state;
    const scale = this.width / this.window.width / (totals.whole || 1);
    const offset = this.window.start * (totals.whole || 1);
    const top = this.scroller.scrollTop;
    this.rects.clear(Math.floor(top / ROW_HEIGHT), Math.floor((top + this.height) / ROW_HEIGHT));
    const pending = [[0, 0]];
    while (pending.length > 0) {
      const [node, start] = pending.pop();
      const depth = totals.tree.depth[node];
      const x = (start - offset) * scale;
      this.rects.add(node, depth, x, totals.total[node] * scale);
      let childStart = start;
      let left = totals.total[node];
      for (const child of totals.children(node)) {
        const total = totals.total[child];
        const childX = (childStart - offset) * scale;
        if (total * scale < NARROWEST || childX > this.width) {
          break;
        }
        if (childX + total * scale > 0) {
          pending.push([child, childStart]);
        }
        childStart += total;
        left -= total;
      }
      this.addRest(node, depth, childStart, left, { scale, offset });
    }
  }

  /** Children too narrow to be drawn are one grey piece, so that nobody takes them for a gap. */
  addRest(node, depth, start, left, { scale, offset }) {
    const { totals } = this.state;
    const rest = left - (totals.tree.isInverted ? 0 : totals.self[node]);
    const x = (start - offset) * scale;
    if (rest * scale >= NARROWEST && x < this.width) {
      this.rects.add(-1 - node, depth + 1, x, rest * scale);
    }
  }

  paintRow(row) {
    let lastColumn = -1;
    for (const rect of row) {
      const column = Math.floor(rect.x);
      // Where several share a pixel, one is all that can be seen.
      if (rect.width >= 1 || column !== lastColumn) {
        this.paintRect(rect);
      }
      lastColumn = column;
    }
  }

  paintRect({ node, depth, x, width }) {
    const { context, palette } = this;
    const left = Math.max(x, -1);
    const right = Math.min(x + width, this.width + 1);
    const y = depth * ROW_HEIGHT - this.scroller.scrollTop;
    context.fillStyle = this.colourOf(node);
    // A pixel between neighbours, where there is room for it.
    context.fillRect(left, y, Math.max(1, right - left - (width > 2 ? 1 : 0)), ROW_HEIGHT - 1);
    if (node < 0) {
      return;
    }
    const isSelected =
      node === this.state.selected && (node > 0 || document.activeElement === this.canvas);
    if (isSelected || node === this.state.hovered) {
      context.strokeStyle = palette.selection;
      context.lineWidth = isSelected ? 2 : 1;
      context.strokeRect(left + 1, y + 1, Math.max(1, right - left - 3), ROW_HEIGHT - 3);
    }
    this.paintText(node, left, right - left, y);
  }

  paintText(node, left, width, y) {
    const letters = Math.floor((width - 9) / this.letterWidth);
    if (letters < 3) {
      return;
    }
    const { context, palette, state } = this;
    const label = this.labelOf(node);
    const isFaded = state.search && !state.search.has(state.totals.tree, node);
    context.fillStyle = isFaded ? palette.fadedText : palette.text;
    const text = label.length > letters ? `${label.slice(0, letters - 1)}…` : label;
    // Letters that are wider than a digit are squeezed into the frame; to measure all would cost.
    const room = NOT_ASCII.test(text) ? width - 8 : undefined;
    context.fillText(text, Math.max(left, 0) + 4, y + ROW_HEIGHT / 2, room);
  }

  /** Changes have their sign before the name, since colour alone says nothing to many. */
  labelOf(node) {
    const { totals } = this.state;
    const label = totals.tree.label(node);
    if (!totals.before) {
      return label;
    }
    const change = totals.change(node);
    const sign = change > 0 ? '+' : change < 0 ? '−' : '=';
    return `${sign} ${label}`;
  }

  colourOf(node) {
    const { palette, state } = this;
    const { totals } = state;
    if (node < 0) {
      return palette.rest;
    }
    if (state.search) {
      return state.search.has(totals.tree, node) ? palette.match : palette.faded;
    }
    if (totals.before) {
      return palette.change(totals.change(node) / (totals.total[node] || 1));
    }
    return palette.group(totals.tree.groups, totals.tree.group[node]);
  }

  nodeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const depth = Math.floor((event.clientY - box.top + this.scroller.scrollTop) / ROW_HEIGHT);
    return this.rects.at(depth, event.clientX - box.left);
  }

  /** The node that is drawn beside this one in its row, in the direction of `step`. */
  neighbour(node, step) {
    const row = this.rects.row(this.state.totals.tree.depth[node]);
    const place = row.findIndex((rect) => rect.node === node);
    return row[place + step]?.node ?? null;
  }
}

/** What was drawn, by rows. */
class DrawnRects {
  constructor() {
    this.clear(0, 0);
  }

  /** Forgets all; only rows from `first` to `last` will be painted. */
  clear(first, last) {
    this.first = first;
    this.last = last;
    this.rows = [];
    this.deepest = 0;
  }

  /** A negative node stands for the narrow children of one. */
  add(node, depth, x, width) {
    this.deepest = Math.max(this.deepest, depth);
    (this.rows[depth] ??= []).push({ node, depth, x, width });
  }

  /** Visits the rows that are seen; in each the rectangles stand from right to left. */
  eachRow(visit) {
    for (let depth = this.first; depth <= this.last; depth += 1) {
      visit(this.rows[depth] ?? []);
    }
  }

  /** The rectangles with a node of their own in a row, from left to right. */
  row(depth) {
    const row = (this.rows[depth] ?? []).filter((rect) => rect.node >= 0);
    return row.sort((left, right) => left.x - right.x);
  }

  at(depth, x) {
    const found = (this.rows[depth] ?? []).find(
      (rect) => rect.node >= 0 && rect.x <= x && x < rect.x + rect.width,
    );
    return found?.node ?? null;
  }
}
