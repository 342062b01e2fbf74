/* Numbers, formulas and space groups as a person reads them. */
import { el } from "./dom.js";

const whole = new Intl.NumberFormat("en");

export const count = (value) => whole.format(value);
export const short = (value) => (value >= 10000 ? `${Math.round(value / 1000)}k` : whole.format(value));
export const fixed = (value, digits) => (value === null || value === undefined ? "" : value.toFixed(digits).replace(/^-/, "−"));

/** A formula with its numbers below the line. */
export function formula(text) {
  return el("span", { class: "formula" }, ...text.split(/(\d+)/).filter(Boolean).map((part) => (/^\d/.test(part) ? el("sub", {}, part) : part)));
}

/** A Hermann-Mauguin symbol: bars over the digits, screw axes below the line. */
export function symbol(text) {
  const parts = text.match(/-\d|_\d|[^-_]+|./g) || [];
  const nodes = parts.map((part) => {
    if (part.startsWith("-")) return el("span", { class: "bar-over" }, part.slice(1));
    if (part.startsWith("_")) return el("sub", {}, part.slice(1));
    return part;
  });
  return el("span", { class: "symbol", "aria-label": text }, ...nodes);
}

/** How stable, in a word that is also a class of the style sheet. */
export function stability(energy) {
  if (energy === null || energy === undefined) return "unknown";
  if (energy <= 0) return "stable";
  return energy <= 0.1 ? "near" : "above";
}
