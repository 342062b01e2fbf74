/* Rows that are committed while the page is open: a glance every few seconds, and a button to take them. */
import { ask } from "./api.js";
import { byId } from "./dom.js";

const EVERY = 10000; // ms

/** Look for newer rows; `take` is called when the user wants them. */
export function watch(take) {
  const button = byId("live");
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Reading…";
    await take();
    button.hidden = true;
    button.disabled = false;
  });
  setInterval(async () => {
    if (document.hidden) return;
    const found = await ask("state", "/api/state").catch(() => null);
    if (!found || button.disabled) return;
    button.hidden = !found.changed;
    button.textContent = "New rows: show them";
  }, EVERY);
}
