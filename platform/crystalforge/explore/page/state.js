/* What is asked, in one object that also stands in the address, so that a view can be kept, shared and gone back to. */

const EMPTY = {
  source: "candidates", elements: [], only: false, without: [], formula: "", space_groups: [],
  max_energy_above_hull: "", screened: false, covered: false, computed: false, new: false, one_of_each: false,
  min_atoms: "", max_atoms: "", origin: "", where: "",
  sort: "energy_above_hull", descending: false, offset: 0, crystal: "",
};
const OF_THE_PAGE = ["sort", "descending", "offset", "crystal"];
export const FILTERS = Object.keys(EMPTY).filter((name) => !OF_THE_PAGE.includes(name));
export const PAGE_SIZE = 50;

export const state = structuredClone(EMPTY);
const listeners = [];

/** Call a function after each change, with the names that changed. */
export const onChange = (call) => listeners.push(call);

/** Change some values. Filters and order start again at the first row; `crystal` alone asks for no new rows. */
export function change(values, { history = "push" } = {}) {
  const changed = Object.keys(values).filter((name) => JSON.stringify(state[name]) !== JSON.stringify(values[name]));
  if (!changed.length) return;
  Object.assign(state, values);
  if (changed.some((name) => !["offset", "crystal"].includes(name))) state.offset = 0;
  const only = changed.length === 1 && changed[0] === "crystal";
  const address = `${location.pathname}?${parameters(Object.keys(EMPTY))}`.replace(/\?$/, "");
  window.history[history === "push" && !only ? "pushState" : "replaceState"](null, "", address);
  listeners.forEach((call) => call(changed));
}

/** The values that differ from the empty ones, as the server reads them. */
export function parameters(names) {
  const found = new URLSearchParams();
  for (const name of names) {
    const value = state[name];
    if (JSON.stringify(value) === JSON.stringify(EMPTY[name])) continue;
    found.set(name, Array.isArray(value) ? value.join(",") : value === true ? "1" : value);
  }
  return found;
}

/** Take the values of the address; whatever it has else is passed over. */
export function readAddress() {
  const given = new URLSearchParams(location.search);
  for (const [name, empty] of Object.entries(EMPTY)) {
    const text = given.get(name);
    if (text === null) state[name] = structuredClone(empty);
    else if (name === "space_groups") state[name] = text.split(",").map(Number).filter(Number.isInteger);
    else if (Array.isArray(empty)) state[name] = text.split(",").filter(Boolean);
    else if (typeof empty === "boolean") state[name] = text === "1";
    else if (typeof empty === "number") state[name] = Math.max(0, parseInt(text, 10) || 0);
    else state[name] = text;
  }
}

/** Filters that are set. */
export const activeFilters = () => [...parameters(FILTERS.filter((name) => name !== "source"))];

/** No filters; the source, the order and the crystal stay. */
export const clearFilters = () => change(Object.fromEntries(FILTERS.filter((name) => name !== "source").map((name) => [name, structuredClone(EMPTY[name])])));

/** Take one filter back. */
export const clearFilter = (name) => change({ [name]: structuredClone(EMPTY[name]) });
