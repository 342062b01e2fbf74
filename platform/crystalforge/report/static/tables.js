/* Tables that a click on a heading sorts: by data-value where a cell has one, else by its text. */
"use strict";
(() => {
  function columnOf(heading) {
    let place = 0;
    for (const other of heading.parentElement.cells) {
      if (other === heading) return place;
      place += other.colSpan;
    }
    return place;
  }

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const given = cell.dataset.value;
    return given === undefined ? cell.textContent.trim() : Number(given);
  };

  function sort(table, heading) {
    const falls = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const column = columnOf(heading);
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, other) => {
      const [p, q] = [valueOf(one, column), valueOf(other, column)];
      const order = typeof p === "number" ? p - q : String(p).localeCompare(String(q));
      return falls ? -order : order;
    });
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable"))
    for (const heading of table.tHead.rows[0].cells) {
      heading.tabIndex = 0;
      heading.addEventListener("click", () => sort(table, heading));
      heading.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(table, heading); });
    }
})();
