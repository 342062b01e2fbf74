/* An interactive crystal: new Crystalforge.CrystalViewer(element).show(scene), with a scene of Python's crystal_scene.
 *
 * Drag turns, wheel or pinch zooms. The box holds the picture, a bar of choices and a legend. Colours of text, ground
 * and cell come from the CSS variables of the page, and follow it between light and dark.
 */
"use strict";
(() => {
  const { add, minus, times, cross, norm, dot, bondedAtoms, polyhedraOf, edgesOf } = window.Crystalforge.geometry;
  const SPHERE = 0.36; // ball and stick: radius of a ball over the atomic radius
  const STICK = 0.11; // Å
  const EDGE = 0.025; // Å
  const halfTurns = (angle) => [Math.sin(angle / 2), Math.cos(angle / 2)];
  const [[SIN_X, COS_X], [SIN_Y, COS_Y]] = [halfTurns(0.24), halfTurns(-0.44)];
  const TILT = product([SIN_X, 0, 0, COS_X], [0, SIN_Y, 0, COS_Y]); // the usual view of a cell: c nearly up
  const AXES = { a: "#d55e00", b: "#009e73", c: "#0072b2" }; // Okabe and Ito: told apart by the colour-blind
  const CELL_NAMES = { conventional: "conventional cell", primitive: "primitive cell", relaxed: "relaxed cell" };
  const xyz = ([x, y, z]) => ({ x, y, z });

  class CrystalViewer {
    /**
     * @param {HTMLElement} host  an element that the viewer fills.
     * @param {{axes?: boolean, margin?: number}} options  arrows along a, b, c; free space, 1 is none.
     */
    constructor(host, { axes = true, margin = 1.12 } = {}) {
      this.host = host;
      this.margin = margin;
      this.choices = { cell: "conventional", repeats: 1, bonds: true, polyhedra: false, labels: false, spin: false };
      host.classList.add("crystal-viewer");
      host.innerHTML =
        '<div class="crystal-stage" tabindex="0" role="img"></div>' +
        '<div class="crystal-legend"></div><div class="crystal-bar" role="toolbar" aria-label="Display"></div>';
      [this.stage, this.legend, this.bar] = host.children;
      this.stage.addEventListener("keydown", (event) => this.turnByKey(event));
      try {
        this.view = $3Dmol.createViewer(this.stage, { antialias: true, orthographic: true, disableFog: true });
      } catch (error) {
        this.view = null;
      }
      if (!this.view) {
        this.stage.innerHTML = '<p class="crystal-absent">This browser has no WebGL, so the crystal cannot be drawn.</p>';
        return;
      }
      if (axes) this.triad = new Triad(this.stage);
      this.view.setViewChangeCallback((eye) => this.triad?.turn(eye.slice(4, 8)));
      new ResizeObserver(() => this.view.resize()).observe(this.stage);
      window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    }

    /** Show a crystal; the choices of the bar stay as they are where it has such a cell. */
    show(scene) {
      this.scene = scene;
      if (!scene.cells[this.choices.cell]) this.choices.cell = Object.keys(scene.cells)[0];
      const count = scene.cells[this.choices.cell].species.length;
      this.stage.setAttribute("aria-label", `${scene.name}, ${scene.space_group}, ${count} atoms in the cell; arrow keys turn it`);
      this.fillBar();
      this.fillLegend();
      if (!this.view) return this;
      this.draw();
      this.lookAlong(null);
      this.setSpin(this.choices.spin);
      return this;
    }

    /** Change one of the choices and draw again. */
    choose(name, value) {
      this.choices[name] = value;
      this.fillBar();
      if (!this.view) return;
      if (name === "spin") return this.setSpin(value);
      const eye = this.view.getView();
      this.draw();
      if (name === "cell" || name === "repeats") this.fit(eye.slice(4, 8));
      else this.view.setView(eye);
    }

    /** The picture as a PNG data URI. */
    picture() {
      return this.view ? this.view.pngURI() : "";
    }

    draw() {
      if (!this.view || !this.scene) return;
      const { view, scene, choices } = this;
      const cell = scene.cells[choices.cell];
      const style = getComputedStyle(this.host);
      const ink = style.getPropertyValue("--crystal-ink").trim() || "#333333";
      view.removeAllModels();
      view.removeAllShapes();
      view.removeAllLabels();
      this.hovered = null;
      view.setBackgroundColor(style.getPropertyValue("--crystal-ground").trim() || "#ffffff", 1);
      const atoms = bondedAtoms(cell, scene.elements, choices.repeats);
      this.drawAtoms(atoms);
      this.drawCells(cell.lattice, choices.repeats, ink);
      this.triad?.show(cell.lattice);
      if (choices.polyhedra) this.drawPolyhedra(polyhedraOf(atoms, scene.elements));
      if (choices.labels) this.drawLabels(atoms, ink);
      view.render();
    }

    drawAtoms(atoms) {
      const model = this.view.addModel();
      const { elements } = this.scene;
      model.addAtoms(
        atoms.map(({ element, label, x, y, z, bonds }, index) => ({
          elem: element, atom: label, x, y, z, index, serial: index,
          bonds: this.choices.bonds ? bonds : [],
          bondOrder: this.choices.bonds ? bonds.map(() => 1) : [],
        })),
      );
      for (const [element, { colour, radius }] of Object.entries(elements)) {
        const ball = { radius: radius * SPHERE, color: colour };
        const stick = { radius: STICK, color: colour };
        model.setStyle({ elem: element }, this.choices.bonds ? { sphere: ball, stick } : { sphere: ball });
      }
      this.view.setHoverable({}, true, (atom) => this.showHover(atom), () => this.hideHover());
      this.view.setHoverDuration(60);
    }

    showHover(atom) {
      if (this.hovered || !atom || !atom.atom) return;
      this.hovered = this.view.addLabel(atom.atom, {
        position: atom, backgroundColor: "black", backgroundOpacity: 0.75, fontColor: "white", fontSize: 13, inFront: true,
      });
    }

    hideHover() {
      if (this.hovered) this.view.removeLabel(this.hovered);
      this.hovered = null;
    }

    drawCells(lattice, repeats, ink) {
      for (let i = 0; i < repeats; i++)
        for (let j = 0; j < repeats; j++)
          for (let k = 0; k < repeats; k++) {
            const origin = add(add(times(lattice[0], i), times(lattice[1], j)), times(lattice[2], k));
            for (const [start, end] of edgesOf(lattice))
              this.view.addCylinder({
                start: xyz(add(origin, start)), end: xyz(add(origin, end)),
                radius: EDGE, color: ink, fromCap: 1, toCap: 1,
              });
          }
    }

    drawPolyhedra(polyhedra) {
      for (const { element, points, faces } of polyhedra) {
        const vertexArr = [], normalArr = [], faceArr = [];
        for (const { normal, corners } of faces) {
          const first = vertexArr.length;
          for (const index of corners) {
            vertexArr.push(xyz(points[index]));
            normalArr.push(xyz(normal));
          }
          for (let turn = 1; turn + 1 < corners.length; turn++) faceArr.push(first, first + turn, first + turn + 1);
        }
        this.view.addCustom({ vertexArr, normalArr, faceArr, color: this.scene.elements[element].colour, opacity: 0.45 });
      }
    }

    drawLabels(atoms, ink) {
      const style = { fontColor: ink, fontSize: 12, backgroundOpacity: 0, alignment: "center", inFront: true };
      const later = true; // not a picture for each label
      for (const { label, x, y, z } of atoms)
        this.view.addLabel(label, { ...style, position: { x, y, z } }, undefined, later);
    }

    /** Look along a lattice vector ("a", "b", "c"), or from the usual side (null). */
    lookAlong(axis) {
      const [a, b, c] = this.scene.cells[this.choices.cell].lattice;
      const [toEye, up] = { a: [a, c], b: [b, c], c: [c, b] }[axis] || [cross(b, c), c];
      const z = times(toEye, 1 / norm(toEye));
      const flat = minus(up, times(z, dot(up, z)));
      const y = times(flat, 1 / norm(flat));
      const along = quaternionOf([cross(y, z), y, z]);
      this.fit(axis ? along : product(TILT, along));
    }

    /** Move and zoom to the whole crystal, turned by a quaternion. */
    fit(quaternion) {
      this.view.zoomTo();
      const whole = this.view.getView();
      whole.splice(4, 4, ...quaternion);
      this.view.setView(whole);
      this.view.zoom(1 / this.margin);
    }

    turnByKey(event) {
      const turn = { ArrowLeft: [-6, "vy"], ArrowRight: [6, "vy"], ArrowUp: [-6, "vx"], ArrowDown: [6, "vx"] }[event.key];
      if (!turn || !this.view) return;
      event.preventDefault();
      this.view.rotate(...turn);
    }

    setSpin(wanted) {
      this.view.spin(wanted ? "vy" : false, 0.6, true);
    }

    fillLegend() {
      this.legend.replaceChildren(
        ...Object.entries(this.scene.elements).map(([element, { colour }]) => {
          const item = document.createElement("span");
          item.innerHTML = `<i style="background:${colour}"></i>`;
          item.append(element);
          return item;
        }),
      );
    }

    fillBar() {
      const { cells } = this.scene;
      const choice = (name, value, text, title) => this.button(text, title, () => this.choose(name, value), this.choices[name] === value);
      const toggle = (name, text, title) => this.button(text, title, () => this.choose(name, !this.choices[name]), this.choices[name]);
      const look = (axis) => this.button(axis || "⟲", axis ? `Look along ${axis}` : "The usual view", () => this.view && this.lookAlong(axis));
      const groups = [
        Object.keys(cells).map((name) => choice("cell", name, name, `Show the ${CELL_NAMES[name] || name}`)),
        [choice("repeats", 1, "1", "One cell"), choice("repeats", 2, "2×2×2", "Eight cells")],
        [toggle("bonds", "bonds"), toggle("polyhedra", "polyhedra", "Coordination polyhedra, where there are any"),
         toggle("labels", "labels", "Elements and Wyckoff positions"), toggle("spin", "spin")],
        [look("a"), look("b"), look("c"), look(null)],
        [this.button("PNG", "Save the picture", () => this.save())],
      ];
      this.bar.replaceChildren(
        ...groups.map((buttons) => {
          const group = document.createElement("span");
          group.className = "crystal-group";
          group.append(...buttons);
          return group;
        }),
      );
    }

    button(text, title, action, pressed) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      if (title) button.title = title;
      if (pressed !== undefined) button.setAttribute("aria-pressed", pressed);
      button.addEventListener("click", action);
      return button;
    }

    save() {
      const link = document.createElement("a");
      link.href = this.picture();
      link.download = `${this.scene.name}.png`;
      if (link.href) link.click();
    }
  }

  /** The directions of a, b and c in a corner of the picture; they turn with it. */
  class Triad {
    constructor(stage) {
      const names = Object.entries(AXES);
      stage.insertAdjacentHTML(
        "beforeend",
        '<svg class="crystal-triad" viewBox="-50 -50 100 100" aria-hidden="true">' +
          names.map(([name, colour]) => `<g stroke="${colour}" fill="${colour}"><line/><text>${name}</text></g>`).join("") + "</svg>",
      );
      this.svg = stage.querySelector(".crystal-triad");
      this.arrows = [...this.svg.children];
      this.lattice = null;
      this.quaternion = [0, 0, 0, 1];
    }

    show(lattice) {
      this.lattice = lattice.map((vector) => times(vector, 1 / norm(vector)));
      this.turn(this.quaternion);
    }

    turn(quaternion) {
      this.quaternion = quaternion;
      if (!this.lattice) return;
      const turned = this.lattice.map((vector) => rotated(vector, quaternion));
      const nearest = [0, 1, 2].sort((one, other) => turned[one][2] - turned[other][2]);
      nearest.forEach((index) => this.svg.append(this.arrows[index]));
      turned.forEach(([x, y], index) => {
        const [line, text] = this.arrows[index].children;
        line.setAttribute("x2", x * 30);
        line.setAttribute("y2", -y * 30);
        text.setAttribute("x", x * 41);
        text.setAttribute("y", -y * 41);
      });
    }
  }

  /** A vector turned by a quaternion (x, y, z, w). */
  function rotated(vector, [x, y, z, w]) {
    const twice = times(cross([x, y, z], vector), 2);
    return add(add(vector, times(twice, w)), cross([x, y, z], twice));
  }

  /** The rotation q, then the rotation p, as quaternions (x, y, z, w). */
  function product(p, q) {
    const [u, v] = [p.slice(0, 3), q.slice(0, 3)];
    return [...add(add(times(v, p[3]), times(u, q[3])), cross(u, v)), p[3] * q[3] - dot(u, v)];
  }

  /** Quaternion (x, y, z, w) of the rotation whose matrix has these rows. */
  function quaternionOf([[a, b, c], [d, e, f], [g, h, i]]) {
    const w = Math.sqrt(Math.max(0, 1 + a + e + i)) / 2;
    const x = (Math.sqrt(Math.max(0, 1 + a - e - i)) / 2) * (h - f < 0 ? -1 : 1);
    const y = (Math.sqrt(Math.max(0, 1 - a + e - i)) / 2) * (c - g < 0 ? -1 : 1);
    const z = (Math.sqrt(Math.max(0, 1 - a - e + i)) / 2) * (d - b < 0 ? -1 : 1);
    return [x, y, z, w];
  }

  window.Crystalforge.CrystalViewer = CrystalViewer;
})();
