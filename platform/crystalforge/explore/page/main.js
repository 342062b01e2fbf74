/* The page: reads the home once, then asks for rows and counts whenever the state changes. */
import { ask } from "./api.js";
import { makeDialog, setCopied } from "./copying.js";
import { showCrystal } from "./crystal.js";
import { byId, el, fill } from "./dom.js";
import { makeDownloads, setTotal } from "./downloads.js";
import { makeElements, shadeElements, showElements } from "./elements.js";
import { makeFilters, renewFilters, showFacets, showFilters } from "./filters.js";
import { count } from "./format.js";
import { watch } from "./live.js";
import { showPager } from "./pager.js";
import { activeFilters, change, clearFilter, clearFilters, FILTERS, onChange, parameters, readAddress, state } from "./state.js";
import { choose, markChosen, setHome, showEmpty, showHead, showRows, ticked, tickedText } from "./table.js";

const NAMES = {
  elements: "with", without: "without", only: "no others", formula: "formula", space_groups: "groups", max_energy_above_hull: "above hull ≤",
  screened: "screened", covered: "hull complete", computed: "calculated", new: "new", one_of_each: "one of each", min_atoms: "atoms ≥", max_atoms: "atoms ≤", origin: "from", where: "where",
};
let listed = { total: 0, seconds: 0 };

function problem(text) {
  byId("banner").textContent = text || "";
  byId("banner").hidden = !text;
}

async function showList() {
  byId("results").setAttribute("aria-busy", "true");
  try {
    const answer = await ask("list", "/api/crystals", parameters([...FILTERS, "sort", "descending", "offset"]));
    if (!answer) return;
    listed = answer;
    problem("");
    setCopied(answer);
    setTotal(answer.total);
    showRows(answer.rows);
    showPager(answer.total);
    showCount();
    showEmpty(answer.total, emptyText());
    if (answer.rows.length && !state.crystal) choose(answer.rows[0]);
  } catch (error) {
    problem(error.message);
  }
  byId("results").removeAttribute("aria-busy");
}

const emptyText = () => (activeFilters().length ? "No crystal fits these filters: take one back." : "This home has none yet: `platform generate` draws candidates, `platform dataset build` reads real crystals.");

function showCount() {
  const words = state.source === "candidates" ? ["candidate", "candidates"] : ["real crystal", "real crystals"];
  fill(byId("count"), el("b", {}, count(listed.total)), ` ${words[listed.total === 1 ? 0 : 1]} `, el("small", {}, `in ${Math.max(1, Math.round(1000 * listed.seconds))} ms`), ticked.size ? el("button", { type: "button", class: "link", onclick: untick }, `${tickedText()} ×`) : null);
}

function untick() {
  ticked.clear();
  document.querySelectorAll("td.tick input").forEach((box) => (box.checked = false));
  showHead();
  showCount();
}

async function showCounts() {
  const facets = await ask("facets", "/api/facets", parameters(FILTERS)).catch(() => null);
  if (!facets) return;
  shadeElements(facets.elements);
  showFacets(facets);
}

function showActive() {
  fill(byId("active"), activeFilters().map(([name, value]) =>
    el("button", { type: "button", class: "chip on", "aria-label": `Take back: ${NAMES[name]} ${value}`, onclick: () => clearFilter(name) }, value === "1" && NAMES[name] !== "with" ? NAMES[name] : `${NAMES[name]} ${value.replaceAll(",", ", ")}`, el("span", { "aria-hidden": "true" }, " ×"))));
  byId("clear").hidden = !activeFilters().length;
}

function showAll(changed) {
  const asks = (names) => changed.some((name) => names.includes(name));
  if (changed.includes("source")) ticked.clear();
  if (asks(FILTERS)) {
    showElements();
    showFilters();
    showActive();
  }
  if (asks([...FILTERS, "sort", "descending", "offset"])) showList();
  if (asks(FILTERS)) showCounts(); // after the list, which is looked at first
  if (changed.includes("crystal")) {
    markChosen();
    showCrystal();
  }
}

async function readHome() {
  const answer = await ask("home", "/api/home");
  setHome(answer);
  byId("home").textContent = answer.home.split("/").pop();
  byId("home").title = answer.home;
  if (answer.problem) problem(`The newest rows cannot be read: ${answer.problem}`);
  return answer;
}

async function begin() {
  try {
    const home = await readHome();
    readAddress();
    if (!location.search && !home.totals.candidates && home.totals.materials) state.source = "materials";
    makeElements(home.elements);
    makeFilters(home);
  } catch (error) {
    return problem(error.message);
  }
  makeDialog();
  makeDownloads();
  onChange(showAll);
  watch(async () => { renewFilters(await readHome()); showAll(FILTERS); });
  byId("clear").addEventListener("click", clearFilters);
  byId("rows").addEventListener("ticked", () => { showCount(); showHead(); });
  document.addEventListener("problem", (event) => problem(event.detail));
  window.addEventListener("popstate", () => { readAddress(); showAll([...FILTERS, "crystal"]); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, select, textarea")) { event.preventDefault(); byId("formula").focus(); }
    const step = { PageDown: 1, PageUp: -1 }[event.key];
    if (step && event.target.closest("#rows")) { event.preventDefault(); byId("pager").querySelector(step > 0 ? "[aria-label='Next page']" : "[aria-label='Page before']").click(); }
  });
  showAll([...FILTERS, "crystal"]);
}

begin();
