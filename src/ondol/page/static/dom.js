// Elements. Texts are set as text alone, so that nothing in a document can become HTML.

export const byId = (id) => document.getElementById(id);

/** A new element. properties: as of the element, and `data` for its dataset. */
export function element(name, { data = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

/** Replace the rows of a table. rows: cells as text; the first row is the head. */
export function fillTable(table, [head, ...rows], words = []) {
  const cells = (row, name) =>
    row.map((cell, column) =>
      element(name, {
        textContent: cell,
        className: words.includes(column) ? "word" : "",
        ...(name === "th" ? { scope: "col" } : {}),
      }),
    );
  table.replaceChildren(
    element("thead", {}, element("tr", {}, ...cells(head, "th"))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row, "td")))),
  );
}

/** Show a message in an element for problems, or hide it with null. */
export function showProblem(place, message) {
  place.textContent = message ?? "";
  place.hidden = message === null;
}
