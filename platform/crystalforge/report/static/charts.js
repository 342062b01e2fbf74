/* Figures: JSON of Python's figures.py, drawn by Plotly in the colours of the page, again when these change. */
"use strict";
(() => {
  if (!window.Plotly) return;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "svg", filename: "crystalforge" },
  };
  const boxes = [...document.querySelectorAll("[data-figure]")];
  const chosen = {};
  const style = getComputedStyle(document.documentElement);
  const variable = (name) => style.getPropertyValue(name).trim();

  /** "role:NAME" or "role:NAME/ALPHA" as a colour that Plotly reads; anything else stays. */
  function colour(text) {
    const [, role, alpha] = /^role:([\w-]+)(?:\/([\d.]+))?$/.exec(text) || [];
    if (!role) return text;
    const hex = variable(`--source-${role}`) || variable("--ink");
    if (!alpha) return hex;
    const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},${alpha})`;
  }

  function coloured(value) {
    if (typeof value === "string") return colour(value);
    if (Array.isArray(value)) return value.map(coloured);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
    return value;
  }

  function layoutOf(figure) {
    const narrow = window.innerWidth < 640;
    const axis = {
      gridcolor: variable("--grid"), zerolinecolor: variable("--grid"), linecolor: variable("--line"),
      automargin: true, ticks: "outside", tickcolor: variable("--line"), ticklen: 4,
    };
    const { xaxis, yaxis, height, ...rest } = coloured(figure.layout);
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12.5, color: variable("--ink") },
      margin: { l: 54, r: 12, t: 14, b: 46 },
      hovermode: "x unified",
      hoverlabel: { bgcolor: variable("--surface"), bordercolor: variable("--line"), font: { color: variable("--ink") } },
      legend: { orientation: "h", y: -0.24, x: 0, yanchor: "top", font: { size: narrow ? 10.5 : 12 } },
      ...rest,
      height: height + (narrow ? 40 : 60),
      xaxis: { ...axis, ...xaxis, title: { standoff: 8, font: { size: narrow ? 11.5 : 13 }, ...xaxis.title } },
      yaxis: { ...axis, ...yaxis, title: { standoff: 8, font: { size: narrow ? 11.5 : 13 }, ...yaxis.title } },
    };
  }

  function draw(box) {
    const name = box.dataset.figure;
    const figure = figures[name];
    if (!figure) return;
    const data = figure.alternatives?.[chosen[name]] ?? figure.data;
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", figure.described);
    Plotly.react(box, coloured(data), layoutOf(figure), CONFIG);
    if (figure.highlight && !box.dataset.listens) listen(box);
  }

  /** Brings the line that is pointed at forward. */
  function listen(box) {
    box.dataset.listens = "yes";
    let before = null;
    box.on("plotly_hover", ({ points }) => {
      const at = points[0].curveNumber;
      before = { at, width: box.data[at].line.width, opacity: box.data[at].opacity };
      Plotly.restyle(box, { "line.width": 3.2, opacity: 1 }, [at]);
    });
    box.on("plotly_unhover", () => {
      if (before) Plotly.restyle(box, { "line.width": before.width, opacity: before.opacity }, [before.at]);
      before = null;
    });
  }

  for (const select of document.querySelectorAll("select[data-figures]"))
    select.addEventListener("change", () => {
      for (const name of select.dataset.figures.split(" ")) {
        chosen[name] = select.value;
        boxes.filter((box) => box.dataset.figure === name).forEach(draw);
      }
    });
  const drawAll = () => boxes.forEach(draw);
  document.addEventListener("themechange", drawAll);
  window.addEventListener("beforeprint", () => boxes.forEach((box) => Plotly.Plots.resize(box)));
  drawAll();
})();
