'use strict';

/*
 * The tree that a flame graph draws: the call stacks of a section's rows, merged where they have
 * the same functions. It is built once for a way of looking, and serves every measure.
 *
 * Everything is numbers in typed arrays, since there may be millions of nodes: `parent` comes
 * before its children, node 0 is the root that stands for all.
 */

class FlameTree {
  constructor(
    section,
    { grouping = 'function', isInverted = false, collapsesRecursion = false } = {},
  ) {
    this.report = section.report;
    this.groups = new FrameGroups(section.report, grouping);
    this.isInverted = isInverted;
    this.nodes = new NodeTable();
    /** The node at which each row's stack ends; -1 for rows without a stack. */
    this.nodeOfRow = new Int32Array(section.rowCount).fill(-1);
    /** For a tree from the root, the node of each stack of the report. */
    this.nodeOfStack = null;
    const stackOfRow = section.stacks.value;
    if (isInverted) {
      this.insertFromLeaves(stackOfRow, collapsesRecursion);
    } else {
      this.insertFromRoots(stackOfRow, collapsesRecursion);
    }
    ({ parent: this.parent, group: this.group } = this.nodes.arrays());
    this.size = this.parent.length;
    this.nodes = null;
    this.linkChildren();
  }

  /** The stacks are a tree already; only equal functions called from different lines are merged. */
  insertFromRoots(stackOfRow, collapsesRecursion) {
    const { caller, frame } = this.report.stacks;
    const isUsed = new Uint8Array(frame.length);
    stackOfRow.forEach((stack) => {
      if (stack !== null) {
        isUsed[stack] = 1;
      }
    });
    for (let stack = frame.length - 1; stack >= 0; stack -= 1) {
      if (isUsed[stack] === 1 && caller[stack] >= 0) {
        isUsed[caller[stack]] = 1;
      }
    }
    const nodeOfStack = new Int32Array(frame.length).fill(-1);
    for (let stack = 0; stack < frame.length; stack += 1) {
      if (isUsed[stack] === 1) {
        const parent = caller[stack] < 0 ? 0 : nodeOfStack[caller[stack]];
        nodeOfStack[stack] = this.step(
          parent,
          this.groups.ofFrame[frame[stack]],
          collapsesRecursion,
        );
      }
    }
    stackOfRow.forEach((stack, row) => {
      this.nodeOfRow[row] = stack === null ? -1 : nodeOfStack[stack];
    });
    this.nodeOfStack = nodeOfStack;
  }

  insertFromLeaves(stackOfRow, collapsesRecursion) {
    const { caller, frame } = this.report.stacks;
    stackOfRow.forEach((leaf, row) => {
      if (leaf === null) {
        return;
      }
      let node = 0;
      for (let stack = leaf; stack >= 0; stack = caller[stack]) {
        node = this.step(node, this.groups.ofFrame[frame[stack]], collapsesRecursion);
      }
      this.nodeOfRow[row] = node;
    });
  }

  step(parent, group, collapsesRecursion) {
    if (collapsesRecursion && parent !== 0 && this.nodes.groupOf(parent) === group) {
      return parent;
    }
    return this.nodes.child(parent, group);
  }

  /** Children as linked lists, which need no room of their own. */
  linkChildren() {
    const { parent, size } = this;
    this.firstChild = new Int32Array(size).fill(-1);
    this.nextSibling = new Int32Array(size).fill(-1);
    this.depth = new Int32Array(size);
    for (let node = size - 1; node > 0; node -= 1) {
      this.nextSibling[node] = this.firstChild[parent[node]];
      this.firstChild[parent[node]] = node;
    }
    for (let node = 1; node < size; node += 1) {
      this.depth[node] = this.depth[parent[node]] + 1;
    }
  }

  /** What a person calls the node. */
  label(node) {
    return node === 0 ? 'all' : this.groups.labels[this.group[node]];
  }

  /** The nodes from the root to this one, both included. */
  path(node) {
    const path = [];
    for (let at = node; at > 0; at = this.parent[at]) {
      path.push(at);
    }
    return [0, ...path.reverse()];
  }

  /** The node that is reached by these labels, as far as there is one. */
  follow(labels) {
    let node = 0;
    for (const label of labels.slice(1)) {
      let child = this.firstChild[node];
      while (child >= 0 && this.label(child) !== label) {
        child = this.nextSibling[child];
      }
      if (child < 0) {
        return node;
      }
      node = child;
    }
    return node;
  }
}

/** Which frames count as one: by function, by line, or by module. */
class FrameGroups {
  constructor(report, grouping) {
    const { name, file, line, module } = report.frames;
    const keyOf = {
      function: (frame) => `${name[frame]} ${module[frame]}`,
      line: (frame) => `${name[frame]} ${module[frame]} ${file[frame]} ${line[frame]}`,
      module: (frame) => (module[frame] === 0 ? `${name[frame]} marker` : module[frame]),
    }[grouping];
    const numbers = new Map();
    this.report = report;
    this.ofFrame = new Int32Array(name.length);
    /** One frame of each group, which speaks for the others. */
    this.frames = [];
    this.frameCounts = [];
    for (let frame = 0; frame < name.length; frame += 1) {
      const key = keyOf(frame);
      if (!numbers.has(key)) {
        numbers.set(key, this.frames.length);
        this.frames.push(frame);
        this.frameCounts.push(0);
      }
      this.ofFrame[frame] = numbers.get(key);
      this.frameCounts[numbers.get(key)] += 1;
    }
    this.labels = this.frames.map((frame) => labelOf(report.frame(frame), grouping));
  }
}

function labelOf(frame, grouping) {
  if (grouping === 'module' && frame.module !== '') {
    return baseName(frame.module);
  }
  return grouping === 'line' && frame.line > 0
    ? `${frame.name} (${baseName(frame.file)}:${frame.line})`
    : frame.name;
}

/** Nodes that are found again by their parent and group: a hash table with open addresses. */
class NodeTable {
  constructor() {
    this.count = 1;
    this.parent = new Int32Array(1024).fill(-1);
    this.group = new Int32Array(1024).fill(-1);
    this.slots = new Int32Array(4096).fill(-1);
  }

  groupOf(node) {
    return this.group[node];
  }

  /** The child of this group, new or known. */
  child(parent, group) {
    let slot = this.slotOf(parent, group);
    while (this.slots[slot] >= 0) {
      const node = this.slots[slot];
      if (this.parent[node] === parent && this.group[node] === group) {
        return node;
      }
      slot = (slot + 1) & (this.slots.length - 1);
    }
    if (this.count === this.parent.length) {
      this.parent = grown(this.parent);
      this.group = grown(this.group);
    }
    const node = this.count;
    this.count += 1;
    this.parent[node] = parent;
    this.group[node] = group;
    this.slots[slot] = node;
    if (this.count * 2 > this.slots.length) {
      this.rehash();
    }
    return node;
  }

  slotOf(parent, group) {
    const mixed = Math.imul(parent + 1, 0x9e3779b1) ^ Math.imul(group + 1, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & (this.slots.length - 1);
  }

  rehash() {
    this.slots = new Int32Array(this.slots.length * 4).fill(-1);
    for (let node = 1; node < this.count; node += 1) {
      let slot = this.slotOf(this.parent[node], this.group[node]);
      while (this.slots[slot] >= 0) {
        slot = (slot + 1) & (this.slots.length - 1);
      }
      this.slots[slot] = node;
    }
  }

  arrays() {
    return { parent: this.parent.slice(0, this.count), group: this.group.slice(0, this.count) };
  }
}

function grown(array) {
  const larger = new Int32Array(array.length * 2).fill(-1);
  larger.set(array);
  return larger;
}
