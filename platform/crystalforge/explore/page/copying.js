/* The SQL of the view, and texts into the clipboard. */
import { byId, toast } from "./dom.js";

const SAID = { sql: "SQL copied.", command: "Command copied.", export: "Command copied: it writes every crystal that fits into files." };
let answer = { sql: "", command: "", export: "" };

export const setCopied = (listed) => (answer = listed);

/** Put a text into the clipboard, and say so. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser refused: mark the text and copy it yourself.");
  }
}

/** Make the dialog work, once. */
export function makeDialog() {
  const dialog = byId("sql-dialog");
  byId("show-sql").addEventListener("click", () => {
    byId("sql-text").textContent = answer.sql;
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    const { copy: what, close } = event.target.dataset;
    if (what) copy(answer[what], SAID[what]);
    if (what || close !== undefined || event.target === dialog) dialog.close();
  });
}
