/* Files of the crystals that are ticked, or else of all that fit. */
import { byId, el, fill, toast } from "./dom.js";
import { count } from "./format.js";
import { FILTERS, parameters } from "./state.js";
import { ticked } from "./table.js";

const FORMATS = { cif: "CIF", poscar: "POSCAR", extxyz: "extended XYZ", csv: "CSV", json: "JSON" };
let total = 0;

export function makeDownloads() {
  const button = byId("download");
  const items = byId("download-items");
  const open = (on) => {
    items.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    if (on) items.querySelector("button")?.focus();
  };
  button.addEventListener("click", () => { fillItems(); open(items.hidden); });
  document.addEventListener("click", (event) => { if (!event.target.closest(".menu")) open(false); });
  items.addEventListener("click", () => open(false));
  items.addEventListener("keydown", (event) => { if (event.key === "Escape") { open(false); button.focus(); } });
}

export const setTotal = (n) => (total = n);

function fillItems() {
  const what = ticked.size ? `${count(ticked.size)} ticked` : `all ${count(total)} that fit`;
  fill(byId("download-items"), el("p", { class: "hint" }, what), Object.entries(FORMATS).map(([format, text]) => el("button", { type: "button", onclick: () => fetchFile(format) }, text)));
}

/** The file by way of memory, so that a refusal is a message and not a page. */
async function fetchFile(format) {
  const query = ticked.size ? new URLSearchParams([...ticked].map((id) => ["id", id])) : parameters([...FILTERS, "sort", "descending"]);
  if (ticked.size) parameters(["source"]).forEach((value, name) => query.set(name, value));
  query.set("format", format);
  toast("Making the file…");
  const response = await fetch(`/api/download?${query}`);
  if (!response.ok) {
    const { error } = await response.json();
    return byId("banner").dispatchEvent(new CustomEvent("problem", { detail: error, bubbles: true }));
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition"))?.[1] || `crystals.${format}`;
  const address = URL.createObjectURL(await response.blob());
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  toast(`${name} is downloaded.`);
}
