/* Light or dark, as the system has it until the button chooses: the attribute data-theme of the page, kept where the
   browser allows it. In the head of a page it runs before anything is drawn. */
"use strict";
(() => {
  const KEY = "crystalforge-theme";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const tell = () => document.dispatchEvent(new Event("themechange"));
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";

  function kept() {
    try { return localStorage.getItem(KEY); } catch { return null; } // a page from a file may have no storage
  }

  function choose(theme) {
    root.dataset.theme = theme;
    try { localStorage.setItem(KEY, theme); } catch { /* as above */ }
    tell();
  }

  function wire() {
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
  }

  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
  system.addEventListener("change", tell);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", wire);
  else wire();
})();
