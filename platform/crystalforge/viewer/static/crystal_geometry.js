/* What is drawn of a cell: its atoms with those on its faces, the bonds, the coordination polyhedra. No 3Dmol here.
 *
 * A cell: {lattice: 3 vectors (Å), species, frac_coords, labels}. An atom drawn: {element, label, x, y, z (Å)}.
 */
"use strict";
(() => {
  const ON_FACE = 1e-3; // fractional: an atom this near a face stands on the opposite one too
  const BOND_SLACK = 1.1; // a bond is at most this much longer, in units of the radii, than the shorter of its ends' least
  const LONGEST_BOND = 1.35; // in units of the sum of the radii
  const ELECTROPOSITIVE = 1.7; // Pauling; two of these are not bonded beside an element that takes their electrons
  const IONIC_DIFFERENCE = 1.0; // Pauling
  const COORDINATIONS = [4, 12]; // least and most corners of a polyhedron

  const add = (p, q) => [p[0] + q[0], p[1] + q[1], p[2] + q[2]];
  const minus = (p, q) => [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
  const times = (p, factor) => [p[0] * factor, p[1] * factor, p[2] * factor];
  const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
  const cross = (p, q) => [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
  const norm = (p) => Math.sqrt(dot(p, p));
  const toCartesian = (lattice, f) => add(add(times(lattice[0], f[0]), times(lattice[1], f[1])), times(lattice[2], f[2]));

  /** Whole numbers of cells along each axis that hold every point within `reach` (Å) of the cell. */
  function imagesWithin(lattice, reach) {
    const volume = Math.abs(dot(lattice[0], cross(lattice[1], lattice[2])));
    return [0, 1, 2].map((axis) => {
      const spacing = volume / norm(cross(lattice[(axis + 1) % 3], lattice[(axis + 2) % 3]));
      return Math.ceil(reach / spacing);
    });
  }

  /** Every atom inside `repeats` cells along each axis, those on the outer faces included. */
  function atomsOf(cell, repeats) {
    const atoms = [];
    cell.frac_coords.forEach((coords, index) => {
      const base = coords.map((x) => (x > 1 - ON_FACE ? x - 1 : x));
      const most = base.map((x) => repeats - (x < ON_FACE ? 0 : 1));
      for (let i = 0; i <= most[0]; i++)
        for (let j = 0; j <= most[1]; j++)
          for (let k = 0; k <= most[2]; k++) {
            const [x, y, z] = toCartesian(cell.lattice, add(base, [i, j, k]));
            atoms.push({ element: cell.species[index], label: cell.labels[index], x, y, z });
          }
    });
    return atoms;
  }

  /** Whether two elements may be bonded at all: two electropositive ones are not, in a compound with an anion. */
  function pairRule(elements) {
    const values = Object.values(elements).map((style) => style.electronegativity ?? ELECTROPOSITIVE);
    const isIonic = Math.max(...values) - Math.min(...values) >= IONIC_DIFFERENCE;
    const most = Math.max(...values) - IONIC_DIFFERENCE; // of what still gives its electrons, as gallium to oxygen
    const gives = (name) => {
      const value = elements[name].electronegativity ?? ELECTROPOSITIVE;
      return value < ELECTROPOSITIVE || value <= most;
    };
    return (one, other) => !(isIonic && gives(one) && gives(other));
  }

  /** Neighbours of each atom of the cell that are near enough for a bond: [{element, shift (Å), ratio}]. */
  function neighboursOf(cell, elements) {
    const mayBond = pairRule(elements);
    const largest = Math.max(...Object.values(elements).map((style) => style.radius));
    const [ni, nj, nk] = imagesWithin(cell.lattice, 2 * largest * LONGEST_BOND);
    const places = cell.frac_coords.map((coords) => toCartesian(cell.lattice, coords));
    const all = places.map(() => []);
    for (let i = -ni; i <= ni; i++)
      for (let j = -nj; j <= nj; j++)
        for (let k = -nk; k <= nk; k++) {
          const image = toCartesian(cell.lattice, [i, j, k]);
          places.forEach((from, one) => {
            places.forEach((to, other) => {
              const names = [cell.species[one], cell.species[other]];
              if (!mayBond(...names)) return;
              const shift = minus(add(to, image), from);
              const ratio = norm(shift) / (elements[names[0]].radius + elements[names[1]].radius);
              if (ratio > 0.05 && ratio <= LONGEST_BOND) all[one].push({ other, element: names[1], shift, ratio });
            });
          });
        }
    const least = all.map((near) => Math.min(...near.map((one) => one.ratio)));
    return all.map((near, one) =>
      near.filter(({ other, ratio }) => ratio <= BOND_SLACK * Math.max(least[one], least[other])),
    );
  }

  const keyOf = (p) => p.map((x) => Math.round(x * 50)).join(",");

  /** Atoms of the cell with, for each, the neighbours of its site in the crystal (`near`) and those drawn (`bonds`). */
  function bondedAtoms(cell, elements, repeats) {
    const neighbours = neighboursOf(cell, elements);
    const atoms = atomsOf(cell, repeats);
    const places = new Map();
    atoms.forEach((atom, index) => {
      const key = keyOf([atom.x, atom.y, atom.z]);
      places.set(key, index);
    });
    const find = (point) => {
      const [x, y, z] = point.map((value) => Math.round(value * 50));
      for (let i = -1; i <= 1; i++)
        for (let j = -1; j <= 1; j++)
          for (let k = -1; k <= 1; k++) {
            const index = places.get([x + i, y + j, z + k].join(","));
            if (index !== undefined) return index;
          }
      return undefined;
    };
    const siteOf = siteFinder(cell);
    atoms.forEach((atom) => {
      const here = [atom.x, atom.y, atom.z];
      atom.near = neighbours[siteOf(here)].map(({ element, shift }) => ({ element, place: add(here, shift) }));
      atom.bonds = atom.near.map(({ place }) => find(place)).filter((index) => index !== undefined);
    });
    return atoms;
  }

  /** A function from a Cartesian point to the index of the cell's atom whose image stands there. */
  function siteFinder(cell) {
    const [a, b, c] = cell.lattice;
    const volume = dot(a, cross(b, c));
    const inverse = [cross(b, c), cross(c, a), cross(a, b)].map((row) => times(row, 1 / volume));
    return (point) => {
      const coords = inverse.map((row) => dot(row, point));
      let best = 0;
      let least = Infinity;
      cell.frac_coords.forEach((site, index) => {
        const gap = minus(coords, site).map((x) => x - Math.round(x));
        if (dot(gap, gap) < least) [best, least] = [index, dot(gap, gap)];
      });
      return best;
    };
  }

  /** Faces of the convex hull of a few points, each a list of indices in turn; coplanar points share a face. */
  function hullFaces(points) {
    const centre = times(points.reduce(add), 1 / points.length);
    const faces = new Map();
    for (let i = 0; i < points.length; i++)
      for (let j = i + 1; j < points.length; j++)
        for (let k = j + 1; k < points.length; k++) {
          let normal = cross(minus(points[j], points[i]), minus(points[k], points[i]));
          if (norm(normal) < 1e-3) continue;
          normal = times(normal, 1 / norm(normal));
          if (dot(normal, minus(points[i], centre)) < 0) normal = times(normal, -1);
          const heights = points.map((point) => dot(normal, minus(point, points[i])));
          if (Math.max(...heights) > 0.02) continue;
          const members = heights.flatMap((height, index) => (height > -0.02 ? [index] : []));
          if (!faces.has(members.join())) faces.set(members.join(), { normal, corners: inTurn(members, points, normal) });
        }
    return [...faces.values()];
  }

  function inTurn(members, points, normal) {
    const middle = times(members.map((index) => points[index]).reduce(add), 1 / members.length);
    const first = minus(points[members[0]], middle);
    const second = cross(normal, first);
    const angle = (index) => {
      const arm = minus(points[index], middle);
      return Math.atan2(dot(arm, second) / norm(second), dot(arm, first) / norm(first));
    };
    return [...members].sort((one, other) => angle(one) - angle(other));
  }

  /** Coordination polyhedra around the elements that give electrons: [{element, centre, points, faces}]. */
  function polyhedraOf(atoms, elements) {
    const value = (name) => elements[name].electronegativity ?? ELECTROPOSITIVE;
    const found = atoms.flatMap((atom) => {
      const near = atom.near.filter(({ element }) => value(element) > value(atom.element));
      if (near.length !== atom.near.length || near.length < COORDINATIONS[0] || near.length > COORDINATIONS[1]) return [];
      const points = near.map(({ place }) => place);
      const faces = hullFaces(points);
      const encloses = faces.every(({ normal, corners }) =>
        dot(normal, minus(points[corners[0]], [atom.x, atom.y, atom.z])) > 0.05);
      return faces.length >= 4 && encloses ? [{ element: atom.element, points, faces }] : [];
    });
    // Large cages hide what is in them: the elements of the fewest corners, and others of at most six.
    const fewest = Math.min(...found.map(({ points }) => points.length));
    return found.filter(({ points }) => points.length <= Math.max(fewest, 6));
  }

  /** The twelve edges of a cell as pairs of points (Å). */
  function edgesOf(lattice) {
    const corner = (i, j, k) => toCartesian(lattice, [i, j, k]);
    const edges = [];
    for (const p of [0, 1])
      for (const q of [0, 1]) {
        edges.push([corner(0, p, q), corner(1, p, q)], [corner(p, 0, q), corner(p, 1, q)], [corner(p, q, 0), corner(p, q, 1)]);
      }
    return edges;
  }

  const Crystalforge = (window.Crystalforge = window.Crystalforge || {});
  Crystalforge.geometry = { add, minus, times, dot, cross, norm, bondedAtoms, polyhedraOf, edgesOf };
})();
