// A click on a heading sorts its table: upwards, downwards, then as it was. Without this script the page is whole.
(() => {
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
  // A cell that begins with a number counts as it: "79.01 ± 1.15" is 79.01, "3 of 5" is 3; "013/007" is none.
  const NUMBER = /^([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: (?:±|of) .*)?$/i;
  const words = new Intl.Collator("en", { numeric: true });

  const text = (row, column) => row.cells[column].textContent.trim();
  const missing = (cell) => cell === "" || cell === "–";

  function comparison(cells) {
    const numeric = cells.every((cell) => missing(cell) || NUMBER.test(cell));
    return numeric ? (a, b) => NUMBER.exec(a)[1] - NUMBER.exec(b)[1] : words.compare;
  }

  // Rows without a value stay last either way; equal rows keep the order in which they came.
  function sorted(rows, column, direction) {
    if (direction === "none") return rows;
    const there = rows.filter((row) => !missing(text(row, column)));
    const compare = comparison(there.map((row) => text(row, column)));
    const sign = direction === "ascending" ? 1 : -1;
    there.sort((a, b) => sign * compare(text(a, column), text(b, column)));
    return [...there, ...rows.filter((row) => missing(text(row, column)))];
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    if (rows.length < 3) continue;
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort")];
        for (const each of headings) each.setAttribute("aria-sort", "none");
        heading.setAttribute("aria-sort", direction);
        body.append(...sorted(rows, column, direction));
      });
    });
  }
})();
