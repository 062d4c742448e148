// How anything gets onto the page. All that a server says goes in as text, never as markup.

export function byId(id) {
  return document.getElementById(id);
}

/** An element; `children` are elements or text. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** Nothing is touched that is already so: screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes `parent`'s children those of `items`, in this order. An item's element stays the same as long as its key is there,
 * so that focus stays where it is. `begin` makes it, `fill` brings it up to date.
 */
export function keyed(parent, items, { keyOf, begin, fill }) {
  const known = parent.known ?? new Map();
  parent.known = known;
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of known) {
    if (keys.has(key)) continue;
    element.remove();
    known.delete(key);
  }
  items.forEach((item, at) => {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, begin(item));
    const element = known.get(key);
    fill(element, item);
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
}

/** A table's body; `columns` are { of, className }. Where there are no items `none` says so. */
export function table(body, items, { keyOf, columns, none }) {
  const rows = items.length === 0 ? [undefined] : items;
  keyed(body, rows, {
    keyOf: (item) => (item === undefined ? "" : `=${keyOf(item)}`),
    begin(item) {
      const row = make("tr");
      if (item === undefined) {
        const cell = make("td", "none", none);
        cell.colSpan = columns.length;
        row.append(cell);
      } else for (const { className = "" } of columns) row.append(make("td", className));
      return row;
    },
    fill(row, item) {
      if (item === undefined) return;
      columns.forEach(({ of, draw, className = "", isBad, isQuiet }, i) => {
        const cell = row.children[i];
        if (draw === undefined) setText(cell, of(item));
        else draw(cell, item);
        const state = isBad?.(item) ? " bad" : isQuiet?.(item) ? " zero" : "";
        if (cell.className !== className + state) cell.className = className + state;
      });
    },
  });
}
