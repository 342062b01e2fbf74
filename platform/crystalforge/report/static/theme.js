/* Light, dark, or as the system has it: the attribute data-theme of the page, kept where the browser allows it. */
"use strict";
(() => {
  const KEY = "crystalforge-theme";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try { return localStorage.getItem(KEY); } catch { return null; } // a page from a file may have no storage
  }

  function choose(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    try { theme ? localStorage.setItem(KEY, theme) : localStorage.removeItem(KEY); } catch { /* as above */ }
    document.dispatchEvent(new Event("themechange"));
  }

  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
  button.hidden = false;
  button.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
  system.addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
})();
