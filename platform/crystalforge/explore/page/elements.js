/* The periodic table: each element off, required or left out; its shade tells how many crystals have it. */
import { byId, el } from "./dom.js";
import { count } from "./format.js";
import { change, state } from "./state.js";

const buttons = new Map();
const places = new Map();

/** Make the table, once. */
export function makeElements(elements) {
  const grid = byId("elements");
  for (const { symbol, number, row, column } of elements) {
    const button = el(
      "button",
      { type: "button", class: "element", tabindex: -1, style: { "grid-area": `${row}/${column}` } },
      el("sup", { "aria-hidden": "true" }, String(number)), symbol,
    );
    button.addEventListener("click", (event) => cycle(symbol, event.shiftKey));
    button.addEventListener("keydown", (event) => move(event, row, column));
    buttons.set(symbol, button);
    places.set(`${row}/${column}`, button);
    grid.append(button);
  }
  buttons.get("H").tabIndex = 0;
}

/** Off, required, left out, off; with Shift from off to left out at once. */
function cycle(symbol, shift) {
  const required = state.elements.includes(symbol);
  const out = state.without.includes(symbol);
  const without = state.without.filter((one) => one !== symbol);
  const elements = state.elements.filter((one) => one !== symbol);
  if (required || (shift && !out)) without.push(symbol);
  else if (!out) elements.push(symbol);
  change({ elements, without });
}

/** Arrow keys go from element to element, over the gaps. */
function move(event, row, column) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  for (let r = row + step[0], c = column + step[1]; r > 0 && r < 12 && c > 0 && c < 19; r += step[0], c += step[1]) {
    const next = places.get(`${r}/${c}`);
    if (!next) continue;
    buttons.forEach((button) => (button.tabIndex = -1));
    next.tabIndex = 0;
    next.focus();
    return;
  }
}

/** Show what is chosen. */
export function showElements() {
  for (const [symbol, button] of buttons) {
    const required = state.elements.includes(symbol);
    const out = state.without.includes(symbol);
    button.classList.toggle("required", required);
    button.classList.toggle("out", out);
    button.setAttribute("aria-pressed", required ? "true" : out ? "mixed" : "false");
    describe(button, symbol);
  }
}

/** Shade by counts: [[symbol, count], …], by their square roots, so that rare elements can be told from none. */
export function shadeElements(counts) {
  const found = new Map(counts);
  const most = Math.max(1, ...found.values());
  for (const [symbol, button] of buttons) {
    const n = found.get(symbol) || 0;
    button.dataset.count = n;
    button.classList.toggle("none", n === 0);
    button.style.setProperty("--share", n ? `${Math.round(6 + 74 * Math.sqrt(n / most))}%` : "0%");
    describe(button, symbol);
  }
}

function describe(button, symbol) {
  const what = state.elements.includes(symbol) ? ", required" : state.without.includes(symbol) ? ", left out" : "";
  const text = `${symbol}: ${count(Number(button.dataset.count || 0))} crystals${what}`;
  button.title = text;
  button.setAttribute("aria-label", text);
}
