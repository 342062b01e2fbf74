/* The form of filters: each control writes one value of the state, and shows it when it changed elsewhere. */
import { byId, el, fill, later } from "./dom.js";
import { count, fixed, short, symbol } from "./format.js";
import { change, state } from "./state.js";

const STABILITIES = [
  { text: "any", values: { screened: false, max_energy_above_hull: "" } },
  { text: "screened", values: { screened: true, max_energy_above_hull: "" } },
  { text: "≤ 0.1", values: { screened: false, max_energy_above_hull: "0.1" } },
  { text: "≤ 0", values: { screened: false, max_energy_above_hull: "0" } },
];
const MOST_TYPES = 14;
const BIN = 0.05; // eV/atom
const FIRST_BIN = -10;
const N_BINS = 30;

let home;

/** Make the controls, once. */
export function makeFilters(answer) {
  home = answer;
  const typed = later((name, value) => change({ [name]: value }), 250);
  for (const control of document.querySelectorAll("[data-text]"))
    control.addEventListener("input", () => typed(control.dataset.text, control.value.trim()));
  for (const box of document.querySelectorAll("[data-flag]"))
    box.addEventListener("change", () => change({ [box.dataset.flag]: box.checked }));
  byId("fields").addEventListener("submit", (event) => event.preventDefault());
  const custom = el("input", { type: "number", step: "0.01", placeholder: "max", "aria-label": "Energy above hull at most (eV/atom)", "data-custom": true });
  custom.addEventListener("input", () => typed("max_energy_above_hull", custom.value.trim()));
  fill(byId("stability"), STABILITIES.map(({ text, values }) => el("button", { type: "button", onclick: () => change(values) }, text)), custom);
  fill(
    byId("sources"),
    ["candidates", "materials"].map((source) =>
      el("button", { type: "button", "data-source": source, onclick: () => change({ source, origin: "" }) },
        source === "candidates" ? "Generated " : "Real crystals ", el("small", {}, count(home.totals[source]?.crystals || 0)))),
  );
}

/** Newer totals and origins after a refresh. */
export function renewFilters(answer) {
  home = answer;
  for (const button of byId("sources").children)
    button.querySelector("small").textContent = count(home.totals[button.dataset.source]?.crystals || 0);
}

/** Show what is chosen. */
export function showFilters() {
  for (const control of document.querySelectorAll("[data-text]"))
    if (control !== document.activeElement) control.value = state[control.dataset.text];
  for (const box of document.querySelectorAll("[data-flag]")) box.checked = state[box.dataset.flag];
  [...byId("stability").querySelectorAll("button")].forEach((button, index) => {
    const values = STABILITIES[index].values;
    press(button, Object.entries(values).every(([name, value]) => state[name] === value));
  });
  const custom = byId("stability").querySelector("input");
  if (custom !== document.activeElement) custom.value = state.max_energy_above_hull;
  for (const button of byId("sources").children) press(button, button.dataset.source === state.source);
  showOrigins();
}

function showOrigins() {
  const isDrawn = state.source === "candidates";
  byId("origin-label").textContent = isDrawn ? "Generation" : "Dataset";
  const names = home.origins[state.source];
  fill(byId("origin"), el("option", { value: "" }, names.length > 1 ? `all ${names.length}` : "all"), names.map((name) => el("option", { value: name }, name)));
  byId("origin").value = state.origin;
}

/** Counts of space groups, formula types and energies. */
export function showFacets(facets) {
  const groups = new Map(facets.space_groups);
  for (const number of state.space_groups) if (!groups.has(number)) groups.set(number, 0);
  fill(
    byId("space-groups"),
    [...groups].sort(([one], [other]) => one - other).map(([number, n]) =>
      chip([symbol(home.space_groups[number] || "?"), ` ${number}`], n, state.space_groups.includes(number), () => {
        const chosen = state.space_groups.includes(number);
        change({ space_groups: chosen ? state.space_groups.filter((one) => one !== number) : [...state.space_groups, number].sort((a, b) => a - b) });
      })),
  );
  fill(
    byId("formula-types"),
    facets.formulas.slice(0, MOST_TYPES).map(([type, n]) =>
      chip([type], n, state.formula === type, () => change({ formula: state.formula === type ? "" : type }))),
  );
  fill(byId("formulas"), facets.formulas.map(([type]) => el("option", { value: type })));
  drawHistogram(new Map(facets.energies));
}

function chip(content, n, chosen, onclick) {
  const button = el("button", { type: "button", class: n ? "chip" : "chip none", onclick }, el("span", {}, ...content), el("small", {}, short(n)));
  press(button, chosen);
  return button;
}

const press = (button, pressed) => button.setAttribute("aria-pressed", String(pressed));

/** Bars of 0.05 eV/atom from -0.5 to 1; those at the ends hold what lies beyond. */
function drawHistogram(bins) {
  const svg = byId("histogram");
  const space = "http://www.w3.org/2000/svg";
  const most = Math.max(1, ...bins.values());
  const limit = state.max_energy_above_hull === "" ? Infinity : Number(state.max_energy_above_hull);
  svg.setAttribute("viewBox", `0 0 ${N_BINS * 8} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren();
  svg.classList.toggle("none", bins.size === 0);
  for (let place = 0; place < N_BINS; place++) {
    const n = bins.get(place + FIRST_BIN) || 0;
    const start = (place + FIRST_BIN) * BIN;
    const height = n ? 2 + 36 * Math.sqrt(n / most) : 0;
    const bar = document.createElementNS(space, "rect");
    const values = { x: place * 8 + 0.7, y: 40 - height, width: 6.6, height, class: `bar ${start < -1e-9 ? "stable" : start < 0.1 - 1e-9 ? "near" : "above"}${start >= limit ? " beyond" : ""}` };
    Object.entries(values).forEach(([name, value]) => bar.setAttribute(name, value));
    const title = document.createElementNS(space, "title");
    title.textContent = `${fixed(start, 2)} to ${fixed(start + BIN, 2)} eV/atom: ${count(n)}`;
    bar.append(title);
    svg.append(bar);
  }
}
