'use strict';

/*
 * A measure summed over a tree: for each node what ends there and what passes through it.
 */

class FlameTotals {
  constructor(tree, measure, rowCount) {
    this.tree = tree;
    this.measure = measure;
    this.self = new Float64Array(tree.size);
    this.total = new Float64Array(tree.size);
    this.rowCount = new Int32Array(tree.size);
    /** How many of a node's rows are known from a sample only. */
    this.openCount = new Int32Array(tree.size);
    /** The row of a node that has only one. */
    this.onlyRow = new Int32Array(tree.size).fill(-1);
    this.before = measure.comparison ? new Float64Array(tree.size) : null;
    this.after = measure.comparison ? new Float64Array(tree.size) : null;
    this.sorted = new Map();
    for (let row = 0; row < rowCount; row += 1) {
      this.addRow(row);
    }
    this.self.set(this.total);
    this.addToParents();
  }

  addRow(row) {
    const { tree, measure } = this;
    const node = tree.nodeOfRow[row];
    const weight = measure.weightOf(row);
    if (node < 0 || weight === 0) {
      return;
    }
    this.total[node] += weight;
    this.rowCount[node] += 1;
    this.openCount[node] += measure.column.isOpen(row) ? 1 : 0;
    this.onlyRow[node] = row;
    if (measure.comparison) {
      this.before[node] += measure.comparison.beforeOf(row);
      this.after[node] += measure.comparison.afterOf(row);
    }
  }

  /** Parents stand before their children, so one pass from the end sums every subtree. */
  addToParents() {
    const { tree, total, rowCount, openCount, onlyRow, before, after } = this;
    for (let node = tree.size - 1; node > 0; node -= 1) {
      const parent = tree.parent[node];
      total[parent] += total[node];
      rowCount[parent] += rowCount[node];
      openCount[parent] += openCount[node];
      onlyRow[parent] = Math.max(onlyRow[parent], onlyRow[node]);
      if (before) {
        before[parent] += before[node];
        after[parent] += after[node];
      }
    }
  }

  get whole() {
    return this.total[0];
  }

  /** By how much the node grew; 0 where nothing is compared. */
  change(node) {
    return this.before ? this.after[node] - this.before[node] : 0;
  }

  /** The children that have something, the largest first. */
  children(node) {
    if (!this.sorted.has(node)) {
      const children = [];
      for (
        let child = this.tree.firstChild[node];
        child >= 0;
        child = this.tree.nextSibling[child]
      ) {
        if (this.total[child] > 0) {
          children.push(child);
        }
      }
      children.sort((left, right) => this.total[right] - this.total[left] || left - right);
      this.sorted.set(node, children);
    }
    return this.sorted.get(node);
  }

  /**
   * The node's total as text. The intervals of several stacks cannot be added, since they would
   * be too wide if they are independent and too narrow if not; then the sum says "about".
   */
  text(node) {
    const { measure, total, rowCount, openCount, onlyRow } = this;
    if (measure.comparison) {
      const [before, after] = [this.before[node], this.after[node]];
      const about = openCount[node] > 0 ? 'about ' : '';
      return {
        main: `${about}${changeText(after - before, measure.unit)}`,
        interval: `${numberText(before, measure.unit)} → ${numberText(after, measure.unit)}`,
      };
    }
    if (rowCount[node] === 1) {
      return estimateTexts(measure.column.at(onlyRow[node]));
    }
    return {
      main: `${openCount[node] > 0 ? 'about ' : ''}${numberText(total[node], measure.unit)}`,
      interval: '',
    };
  }

  /** What ends at the node, in the same way. */
  selfText(node) {
    const about = this.openCount[node] > 0 && this.self[node] > 0 ? 'about ' : '';
    return about + numberText(this.self[node], this.measure.unit);
  }
}

/** Which groups an expression matches, and how much passes through at least one of them. */
class FlameSearch {
  constructor(totals, expression) {
    const { tree } = totals;
    const { report, groups } = tree;
    this.isMatch = groups.frames.map((number, group) => {
      const frame = report.frame(number);
      return (
        expression.test(groups.labels[group]) ||
        (frame.file !== '' && expression.test(frame.file)) ||
        (frame.module !== '' && expression.test(frame.module))
      );
    });
    this.total = 0;
    this.nodeCount = 0;
    this.nodes = [];
    const isBelow = new Uint8Array(tree.size);
    for (let node = 1; node < tree.size; node += 1) {
      const isAbove = isBelow[tree.parent[node]];
      const isHit = this.isMatch[tree.group[node]] && totals.total[node] > 0;
      isBelow[node] = isAbove === 1 || isHit ? 1 : 0;
      if (isHit) {
        this.nodeCount += 1;
        // Below another match it has been counted there.
        this.total += isAbove === 1 ? 0 : totals.total[node];
        this.nodes.push(node);
      }
    }
  }

  has(tree, node) {
    return node > 0 && this.isMatch[tree.group[node]];
  }
}
