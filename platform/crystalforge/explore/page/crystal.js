/* The chosen crystal: its picture, cell and sites, stability, calculations and lineage. */
import { ask } from "./api.js";
import { byId, el, fill, terms } from "./dom.js";
import { count, fixed, formula, stability, symbol } from "./format.js";
import { copy } from "./copying.js";
import { lineagePart } from "./lineage.js";
import { state } from "./state.js";

let viewer = null;
const stage = el("div", { class: "stage" });

/** Show the crystal of the state, or how to choose one. */
export async function showCrystal() {
  const panel = byId("crystal");
  if (!state.crystal) {
    fill(panel, el("p", { class: "empty" }, "Choose a crystal: a click, or the arrow keys in the list."));
    return;
  }
  const [source, origin, ...id] = state.crystal.split("/");
  const name = new URLSearchParams({ source, origin, id: id.join("/") });
  panel.setAttribute("aria-busy", "true");
  let answer;
  try {
    answer = await ask("crystal", "/api/crystal", name);
  } catch (error) {
    fill(panel, el("p", { class: "empty" }, error.message));
    return;
  } finally {
    panel.removeAttribute("aria-busy");
  }
  if (!answer) return;
  const origins = el("section", { class: "part" }, el("h3", {}, "Where it comes from"), el("p", { class: "hint" }, "Reading…"));
  fill(panel, head(answer), stage, actions(answer, name), structurePart(answer), stabilityPart(answer), calculationPart(answer), origins);
  panel.scrollTop = 0;
  draw(answer.scene);
  await lineagePart(origins, name);
}

function draw(scene) {
  viewer ??= new window.Crystalforge.CrystalViewer(stage);
  viewer.show(scene);
}

function head({ row, symbol: name }) {
  const energy = row.energy_above_hull;
  const kind = row.systems_without_reference ? "doubtful" : stability(energy);
  const words = { stable: "on or under the hull", near: "near the hull", above: "above the hull", unknown: "not screened", doubtful: "hull incomplete" };
  return el(
    "header", { class: "crystal-head" },
    el("h2", {}, formula(row.formula)),
    el("p", { class: "space-group" }, symbol(name), el("small", {}, ` ${row.space_group_number}`)),
    el("p", { class: "badges" },
      el("span", { class: `badge ${kind}` }, energy === null ? words.unknown : `${fixed(energy, 3)} eV/atom, ${words[kind]}`),
      row.source === "materials" ? el("span", { class: "badge" }, "real crystal") : el("span", { class: row.is_known ? "badge" : "badge new" }, row.is_known ? "known formula and group" : "new"),
      row.computed_energy_above_hull === null ? null : el("span", { class: `badge ${stability(row.computed_energy_above_hull)}` }, `calculated: ${fixed(row.computed_energy_above_hull, 3)} eV/atom`)),
    row.systems_without_reference
      ? el("p", { class: "warning" }, `The hull has no compound in ${row.systems_without_reference}: it may lie too high there, and the crystal look more stable than it is.`)
      : null,
  );
}

function actions({ row, python }, name) {
  const link = (format, text) => {
    const query = new URLSearchParams({ source: name.get("source"), id: name.get("id"), format });
    return el("a", { class: "button", href: `/api/download?${query}`, download: true }, text);
  };
  return el(
    "div", { class: "crystal-actions" },
    link("cif", "CIF"), link("poscar", "POSCAR"), link("extxyz", "extxyz"),
    el("button", { type: "button", onclick: () => copy(row.source_id, "Name copied.") }, "Copy name"),
    el("button", { type: "button", onclick: () => copy(python, "Python copied: it makes a pymatgen Structure.") }, "Copy Python"),
  );
}

function structurePart({ row }) {
  const lengths = ["a", "b", "c"].map((key) => fixed(row[key], 4)).join(", ");
  const angles = ["alpha", "beta", "gamma"].map((key) => `${fixed(row[key], 2)}°`).join(", ");
  const sites = row.elements.map((element, i) =>
    el("tr", {}, el("td", {}, element), el("td", {}, `${row.multiplicities[i]}${row.wyckoff_letters[i]}`), row.base_frac_coords[i].map((x) => el("td", { class: "number" }, fixed(x, 5)))));
  return el(
    "section", { class: "part" },
    el("h3", {}, "Structure"),
    terms([
      ["a, b, c", `${lengths} Å`], ["α, β, γ", angles],
      ["Atoms", `${row.n_atoms_primitive} in the primitive cell, ${row.n_atoms_conventional} in the conventional`],
      ["Volume", `${fixed(row.volume_per_atom, 3)} Å³/atom`], ["Density", `${fixed(row.density, 3)} g/cm³`],
      ["Least contact", `${fixed(row.min_contact_ratio, 3)} of the radii`], ["Type", row.anonymous_formula],
    ]),
    el("table", { class: "sites" },
      el("caption", { class: "unseen" }, "Representative sites"),
      el("thead", {}, el("tr", {}, ["Site", "Wyckoff", "x", "y", "z"].map((text, i) => el("th", { scope: "col", class: i > 1 ? "number" : null }, text)))),
      el("tbody", {}, sites)),
  );
}

function stabilityPart({ row, relaxation, stabilities }) {
  if (!stabilities.length && row.energy_above_hull === null)
    return el("section", { class: "part" }, el("h3", {}, "Stability"), el("p", { class: "hint" }, "Not screened: `platform screen` relaxes crystals and puts them on a hull."));
  const judged = stabilities.map((one) => terms([
    ["Above hull", `${fixed(one.energy_above_hull, 4)} eV/atom`], ["Formation", `${fixed(one.formation_energy_per_atom, 4)} eV/atom`],
    ["Potential", `${one.potential} ${one.potential_version}`], ["Hull", `${one.reference}, ${one.correction}`], ["Would become", one.decomposition], ["Scale", one.scale],
  ]));
  const tabulated = stabilities.length || row.energy_above_hull === null ? null : terms([
    ["Above hull", `${fixed(row.energy_above_hull, 4)} eV/atom`], ["Formation", `${fixed(row.formation_energy_per_atom, 4)} eV/atom`], ["From", row.energy_from],
  ]);
  const relaxed = relaxation ? terms([
    ["Volume change", `${fixed(100 * relaxation.volume_change, 1)} %`], ["Atoms moved", `${fixed(relaxation.rmsd, 3)} Å (rmsd)`],
    ["Space group after", relaxation.space_group_after_loose ?? relaxation.space_group_after],
  ]) : null;
  return el("section", { class: "part" }, el("h3", {}, "Stability"), judged, tabulated, relaxed ? el("h4", {}, "Relaxation") : null, relaxed);
}

function calculationPart({ validations }) {
  if (!validations.length) return null;
  return el(
    "section", { class: "part" }, el("h3", {}, "Calculations"),
    validations.map((one) => terms([
      ["State", one.state], ["Recipe", `${one.recipe}, ${one.engine}, ${one.structure ?? ""} cell`],
      ["Above hull", one.energy_above_hull === null ? null : `${fixed(one.energy_above_hull, 4)} eV/atom`],
      ["Energy", one.energy_per_atom === null ? null : `${fixed(one.energy_per_atom, 4)} eV/atom`],
      ["Attempts", count(one.n_attempts)], ["Reason", one.reason],
    ])),
  );
}
