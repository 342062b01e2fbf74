/* Pages of the list: first, before, a page by its number, next, last. */
import { byId, el, fill } from "./dom.js";
import { count } from "./format.js";
import { change, PAGE_SIZE, state } from "./state.js";

export function showPager(total) {
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE));
  const page = Math.min(Math.floor(state.offset / PAGE_SIZE), pages - 1);
  const go = (to) => change({ offset: Math.min(Math.max(to, 0), pages - 1) * PAGE_SIZE });
  const button = (text, label, to, off) => el("button", { type: "button", "aria-label": label, disabled: off, onclick: () => go(to) }, text);
  const number = el("input", { type: "number", min: 1, max: pages, value: page + 1, "aria-label": "Page" });
  number.addEventListener("change", () => go(number.valueAsNumber - 1 || 0));
  const first = total ? page * PAGE_SIZE + 1 : 0;
  fill(
    byId("pager"),
    el("span", { class: "range" }, `${count(first)}–${count(Math.min((page + 1) * PAGE_SIZE, total))} of ${count(total)}`),
    button("«", "First page", 0, page === 0), button("‹", "Page before", page - 1, page === 0),
    el("label", {}, "page ", number, ` of ${count(pages)}`),
    button("›", "Next page", page + 1, page >= pages - 1), button("»", "Last page", pages - 1, page >= pages - 1),
  );
}
