/* The list of crystals: columns, order, choice by pointer and by keys, and the crystals that are ticked. */
import { byId, el, fill } from "./dom.js";
import { count, fixed, formula, stability, symbol } from "./format.js";
import { change, state } from "./state.js";

const COLUMNS = [
  { key: "formula", label: "Formula", cell: (row) => formula(row.formula) },
  { key: "space_group_number", label: "Space group", cell: (row) => [symbol(home.space_groups[row.space_group_number]), el("small", {}, ` ${row.space_group_number}`)] },
  { key: "energy_above_hull", label: "Above hull", unit: "eV/atom", number: true, cell: energyCell },
  { key: "computed_energy_above_hull", label: "Calculated", unit: "eV/atom", number: true, cell: (row) => el("span", { class: `energy ${stability(row.computed_energy_above_hull)}` }, fixed(row.computed_energy_above_hull, 3)) },
  { key: "formation_energy_per_atom", label: "Formation", unit: "eV/atom", number: true, cell: (row) => fixed(row.formation_energy_per_atom, 3) },
  { key: "n_atoms_primitive", label: "Atoms", number: true, cell: (row) => String(row.n_atoms_primitive) },
  { key: "volume_per_atom", label: "Volume", unit: "Å³/atom", number: true, cell: (row) => fixed(row.volume_per_atom, 2) },
  { key: "density", label: "Density", unit: "g/cm³", number: true, cell: (row) => fixed(row.density, 2) },
  { key: "min_contact_ratio", label: "Contact", number: true, cell: (row) => fixed(row.min_contact_ratio, 3) },
  { key: "is_known", label: "New", cell: (row) => (row.is_known ? "" : el("span", { class: "badge new", title: "No real crystal has this formula in this space group" }, "new")) },
];

export const ticked = new Set();
let home;
let shown = [];

export const setHome = (answer) => (home = answer);
export const rowsShown = () => shown;

function energyCell(row) {
  const value = row.energy_above_hull;
  if (value === null) return el("span", { class: "none", title: "Not screened" }, "–");
  const doubt = row.systems_without_reference;
  return [
    doubt ? el("span", { class: "doubt", role: "img", "aria-label": "doubtful", title: `The hull has no compound in ${doubt}: it may lie too high there, and the crystal look more stable than it is` }, "⚠") : null,
    el("span", { class: `energy ${doubt ? "doubtful" : stability(value)}` }, fixed(value, 3)),
  ];
}

const columns = () => COLUMNS.filter(({ key }) => key !== "computed_energy_above_hull" || home.totals[state.source]?.computed)
  .filter(({ key }) => key !== "is_known" || state.source === "candidates");

/** The heads, with the order that holds. */
export function showHead() {
  const all = el("input", { type: "checkbox", "aria-label": "Tick all of this page" });
  all.checked = shown.length > 0 && shown.every((row) => ticked.has(row.source_id));
  all.addEventListener("change", () => { shown.forEach((row) => tick(row.source_id, all.checked)); showRows(shown); });
  fill(byId("head"), el("tr", {}, el("th", { class: "tick" }, all), columns().map(headCell)));
}

function headCell({ key, label, unit, number }) {
  const sorted = state.sort === key;
  const about = home.columns[key]?.about || label;
  return el(
    "th",
    { scope: "col", class: number ? "number" : null, "aria-sort": sorted ? (state.descending ? "descending" : "ascending") : null },
    el("button", { type: "button", title: about, onclick: () => change({ sort: key, descending: sorted ? !state.descending : key === "density" }) },
      label, unit ? el("small", {}, ` ${unit}`) : null, el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (state.descending ? "▼" : "▲") : "")),
  );
}

/** Rows in the place of those before. */
export function showRows(rows) {
  shown = rows;
  showHead();
  fill(byId("rows"), rows.map((row, index) => rowOf(row, index)));
  markChosen();
  byId("rows").dispatchEvent(new CustomEvent("ticked", { bubbles: true }));
}

function rowOf(row, index) {
  const box = el("input", { type: "checkbox", "aria-label": `Tick ${row.formula}`, tabindex: -1 });
  box.checked = ticked.has(row.source_id);
  box.addEventListener("change", () => tick(row.source_id, box.checked));
  const line = el(
    "tr", { tabindex: -1, "data-index": index, "data-id": row.source_id },
    el("td", { class: "tick" }, box),
    columns().map(({ cell, number }) => el("td", { class: number ? "number" : null }, cell(row))),
  );
  line.addEventListener("click", (event) => { if (event.target !== box) choose(row); });
  line.addEventListener("keydown", (event) => byKey(event, row, index, box));
  return line;
}

function tick(id, on) {
  ticked[on ? "add" : "delete"](id);
  byId("rows").dispatchEvent(new CustomEvent("ticked", { bubbles: true }));
}

export const choose = (row) => change({ crystal: [row.source, row.origin, row.source_id].join("/") });

function byKey(event, row, index, box) {
  const steps = { ArrowDown: 1, ArrowUp: -1, Home: -shown.length, End: shown.length };
  if (event.key === " ") {
    event.preventDefault();
    box.checked = !box.checked;
    tick(row.source_id, box.checked);
  } else if (event.key === "Enter") choose(row);
  else if (event.key in steps) {
    event.preventDefault();
    const next = Math.min(Math.max(index + steps[event.key], 0), shown.length - 1);
    choose(shown[next]);
    byId("rows").children[next].focus();
  }
}

/** The chosen row, marked; it alone, or else the first, can be reached by Tab. */
export function markChosen() {
  const id = state.crystal.split("/").slice(2).join("/");
  const lines = [...byId("rows").children];
  const chosen = lines.find((line) => line.dataset.id === id);
  for (const line of lines) {
    line.setAttribute("aria-selected", String(line === chosen));
    line.tabIndex = line === (chosen || lines[0]) ? 0 : -1;
  }
}

/** What is said where there are no rows. */
export function showEmpty(total, text) {
  byId("empty").hidden = total > 0;
  byId("empty").textContent = text;
}

export const tickedText = () => (ticked.size ? `${count(ticked.size)} ticked` : "");
