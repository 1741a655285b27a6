// Sorting of tables, and opening all that is folded. Without it the page says the same, in the order it was written.
(() => {
  "use strict";
  const inOrder = new Intl.Collator("en", { numeric: true }).compare;
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  // What cannot be compared (no verdict, too few samples) stands last in both directions.
  const compare = (a, b, turn) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const figures = [Number(a), Number(b)];
    return turn * (figures.some(Number.isNaN) ? inOrder(a, b) : figures[0] - figures[1]);
  };
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  const sort = (table, head) => {
    const order = NEXT[head.getAttribute("aria-sort")];
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    table.written ??= [...body.rows];
    const turn = order === "descending" ? -1 : 1;
    const sorted = table.written.map((row) => [key(row, head.cellIndex), row]);
    if (order !== "none") sorted.sort((a, b) => compare(a[0], b[0], turn));
    body.append(...sorted.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.setAttribute("aria-sort", "none");
      head.append(button);
    }
  }

  const folded = document.querySelectorAll("details");
  if (folded.length) {
    const all = document.createElement("button");
    all.type = "button";
    all.className = "all";
    const say = () => { all.textContent = all.dataset.open ? "Fold all detail" : "Open all detail"; };
    all.addEventListener("click", () => {
      all.dataset.open = all.dataset.open ? "" : "yes";
      for (const one of folded) one.open = Boolean(all.dataset.open);
      say();
    });
    say();
    document.querySelector("header").append(all);
  }
})();
