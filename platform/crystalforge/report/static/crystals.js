/* The list of the best crystals: shows the chosen one in the viewer with its card, draws a small picture of each. */
"use strict";
(() => {
  const host = document.getElementById("viewer");
  const crystals = JSON.parse(document.getElementById("section-data").textContent).crystals;
  if (!host || !crystals) return;
  const viewer = new Crystalforge.CrystalViewer(host);
  const items = [...document.querySelectorAll("[data-crystal]")];
  const cards = [...document.querySelectorAll("[data-card]")];
  const status = document.querySelector(".crystal-actions [role=status]");
  let current = 0;

  function choose(place, focus) {
    current = Math.min(Math.max(place, 0), crystals.length - 1);
    items.forEach((item, index) => {
      item.setAttribute("aria-selected", index === current);
      item.tabIndex = index === current ? 0 : -1;
    });
    cards.forEach((card, index) => { card.hidden = index !== current; });
    if (focus) items[current].focus();
    viewer.show(crystals[current].scene);
  }

  items.forEach((item, index) => {
    item.addEventListener("click", () => choose(index, false));
    item.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      choose(current + step, true);
    });
  });

  function save() {
    const { name, cif } = crystals[current];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([cif], { type: "chemical/x-cif" }));
    link.download = `${name}.cif`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    return `${name}.cif`;
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a page from a file may have no clipboard
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    return `${what} copied`;
  }

  const ACTIONS = {
    save: save,
    "copy-cif": () => copy(crystals[current].cif, "CIF"),
    "copy-sql": () => copy(crystals[current].sql, "SQL"),
  };
  for (const button of document.querySelectorAll("[data-action]"))
    button.addEventListener("click", async () => {
      status.textContent = await ACTIONS[button.dataset.action]();
      setTimeout(() => { status.textContent = ""; }, 2500);
    });

  let maker = null; // one for all: a browser keeps few WebGL contexts

  /** Small pictures, one after another while the page is idle, from a viewer that nobody sees. */
  function drawPictures() {
    if (!maker) {
      const hidden = document.createElement("div");
      hidden.className = "picture-maker";
      hidden.setAttribute("aria-hidden", "true");
      document.body.append(hidden);
      maker = new Crystalforge.CrystalViewer(hidden, { axes: false, margin: 0.68 });
    }
    const later = window.requestIdleCallback || ((action) => setTimeout(action, 30));
    const next = (place) => {
      if (place >= crystals.length || !maker.view) {
        document.documentElement.dataset.pictures = "drawn";
        return;
      }
      maker.show(crystals[place].scene);
      for (const image of document.querySelectorAll(`[data-picture="${place}"]`)) image.src = maker.picture();
      later(() => next(place + 1));
    };
    later(() => next(0));
  }

  choose(0, false);
  drawPictures();
  document.addEventListener("themechange", drawPictures);
})();
