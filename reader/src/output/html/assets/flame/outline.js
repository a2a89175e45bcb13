'use strict';

/*
 * The same tree as text that opens level by level: for screen readers, for the clipboard, and for
 * everybody who would rather read numbers than compare widths.
 *
 * Keys are those of the ARIA tree pattern: up and down move, right opens, left closes.
 */

const CHILDREN_SHOWN = 40;

class FlameOutline {
  constructor(onselect) {
    this.onselect = onselect;
    this.root = element('ul', { class: 'outline', role: 'tree', 'aria-label': 'Call tree' });
    this.root.addEventListener('keydown', (event) => this.onkey(event));
    this.root.addEventListener('click', (event) => this.onclick(event));
  }

  /** Shows the subtree of `focus`, its first level open. */
  show(totals, focus) {
    this.totals = totals;
    this.root.replaceChildren();
    const item = this.item(focus, 1);
    this.root.append(item);
    item.firstElementChild.setAttribute('tabindex', '0');
    this.open(item.firstElementChild);
  }

  /** An item and the room for its children, which stand beside it so that its name is its own. */
  item(node, level) {
    const { totals } = this;
    const { main, interval } = totals.text(node);
    const hasChildren = totals.children(node).length > 0;
    const line = element(
      'div',
      {
        class: 'outline-line',
        role: 'treeitem',
        tabindex: '-1',
        'aria-level': level,
        'data-node': node,
        'aria-expanded': hasChildren ? 'false' : null,
        styles: { 'padding-left': `${(level - 1) * 16 + 4}px` },
      },
      element('span', { class: 'outline-mark', 'aria-hidden': 'true' }, hasChildren ? '▸' : ''),
      element('span', { class: 'number' }, main),
      totals.before
        ? null
        : element('span', { class: 'share' }, shareText(totals.total[node], totals.whole)),
      interval === '' ? null : element('span', { class: 'interval' }, interval),
      nameElement('function', totals.tree.label(node)),
    );
    return element('li', { role: 'none' }, line);
  }

  open(line) {
    if (line.getAttribute('aria-expanded') !== 'false') {
      return;
    }
    line.setAttribute('aria-expanded', 'true');
    line.querySelector('.outline-mark').textContent = '▾';
    const level = Number(line.getAttribute('aria-level')) + 1;
    const children = this.totals.children(Number(line.dataset.node));
    const id = `outline-${line.dataset.node}`;
    const group = element(
      'ul',
      { role: 'group', id },
      children.slice(0, CHILDREN_SHOWN).map((child) => this.item(child, level)),
    );
    if (children.length > CHILDREN_SHOWN) {
      const rest = children.length - CHILDREN_SHOWN;
      group.append(
        element(
          'li',
          { role: 'none', class: 'note', styles: { 'padding-left': `${level * 16}px` } },
          `${GROUPED.format(rest)} smaller ones`,
        ),
      );
    }
    line.setAttribute('aria-owns', id);
    line.after(group);
  }

  close(line) {
    line.setAttribute('aria-expanded', 'false');
    line.removeAttribute('aria-owns');
    line.querySelector('.outline-mark').textContent = '▸';
    line.nextElementSibling?.remove();
  }

  onclick(event) {
    const item = event.target.closest('[role=treeitem]');
    if (item === null) {
      return;
    }
    const isOpen = item.getAttribute('aria-expanded') === 'true';
    if (isOpen) {
      this.close(item);
    } else {
      this.open(item);
    }
    this.focus(item);
  }

  onkey(event) {
    const item = event.target.closest('[role=treeitem]');
    if (item === null) {
      return;
    }
    const visible = [...this.root.querySelectorAll('[role=treeitem]')];
    const place = visible.indexOf(item);
    const isOpen = item.getAttribute('aria-expanded') === 'true';
    const moves = {
      ArrowDown: () => this.focus(visible[place + 1]),
      ArrowUp: () => this.focus(visible[place - 1]),
      ArrowRight: () => (isOpen ? this.focus(visible[place + 1]) : this.open(item)),
      ArrowLeft: () =>
        isOpen ? this.close(item) : this.focus(item.closest('ul').previousElementSibling),
      Home: () => this.focus(visible[0]),
      End: () => this.focus(visible[visible.length - 1]),
      Enter: () => this.onselect(Number(item.dataset.node)),
    };
    if (event.key in moves) {
      moves[event.key]();
      event.preventDefault();
      event.stopPropagation();
    }
  }

  focus(item) {
    if (!item) {
      return;
    }
    this.root.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    item.setAttribute('tabindex', '0');
    item.focus();
  }
}
