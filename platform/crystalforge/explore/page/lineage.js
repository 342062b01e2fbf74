/* Where a crystal comes from, and which real crystals are nearest to it. Read after the picture: it takes longer. */
import { ask } from "./api.js";
import { copy } from "./copying.js";
import { el, fill } from "./dom.js";
import { count, fixed, formula } from "./format.js";
import { change } from "./state.js";

/** Fill a section with the lineage of the crystal of that name. */
export async function lineagePart(section, name) {
  let found;
  try {
    found = await ask("lineage", "/api/lineage", name);
  } catch (error) {
    fill(section, el("h3", {}, "Where it comes from"), el("p", { class: "hint" }, error.message));
    return;
  }
  if (!found) return;
  fill(
    section, el("h3", {}, "Where it comes from"),
    el("ol", { class: "way" },
      found.datasets.map((one) => step("Dataset", one.dataset_id, [one.source, one.licence, one.found ? null : "not in this home"])),
      found.trainings.map((one) => step("Training", one.training_id, [one.recipe ? `recipe ${one.recipe}` : null, one.seed === undefined || one.seed === null ? null : `seed ${one.seed}`, one.record_found ? null : "not in this home"])),
      found.generations.map((one) => step("Generation", one.generation_id, [`${count(one.count)} samples`, `seed ${one.seed}`, one.created_at?.slice(0, 16).replace("T", " ")])),
      found.samples.slice(0, 5).map((one) => step("Sample", one.sample_id, [one.status, `model ${one.model_checksum.slice(0, 10)}…`, `shard ${one.shard}`])),
      found.materials.map((one) => step("Real crystal", one.material_id, [one.dataset_id, one.energy_above_hull === null ? null : `${fixed(one.energy_above_hull, 3)} eV/atom above hull`]))),
    found.n_samples > 5 ? el("p", { class: "hint" }, `${count(found.n_samples)} samples drew it; the first five are shown.`) : null,
    found.neighbours.length ? [el("h4", {}, "Nearest real crystals in composition"), neighbours(found.neighbours)] : null,
    el("button", { type: "button", class: "quiet", onclick: () => copy(found.command, "Command copied.") }, "Copy as a command"),
  );
}

const step = (kind, name, words) => el("li", {}, el("b", {}, kind), " ", el("code", {}, name), el("small", {}, words.filter(Boolean).join(" · ")));

function neighbours(rows) {
  return el(
    "table", { class: "sites" },
    el("caption", { class: "unseen" }, "Nearest real crystals in composition"),
    el("thead", {}, el("tr", {}, ["Formula", "Group", "Distance", "Above hull"].map((text, i) => el("th", { scope: "col", class: i ? "number" : null }, text)))),
    el("tbody", {}, rows.map((row) =>
      el("tr", {},
        el("td", {}, el("button", { type: "button", class: "link", title: row.material_id, onclick: () => change({ crystal: ["materials", row.dataset_id, row.material_id].join("/") }) }, formula(row.formula))),
        el("td", { class: "number" }, String(row.space_group_number)), el("td", { class: "number" }, fixed(row.distance, 3)), el("td", { class: "number" }, fixed(row.energy_above_hull, 3))))),
  );
}
