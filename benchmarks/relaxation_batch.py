"""What relaxing crystals in batches would give: `python benchmarks/relaxation_batch.py [--home HOME] [--crystals 64]`.

Screening relaxes one crystal after the other in each worker. Here the potential gives energy, forces and stress of the
same crystals one by one, through ASE as screening asks, and then of many in one batch; a step of a relaxation is one
such question. Needs the extra `mlip` (CHGNet); on a GPU the same command measures that.
"""

from __future__ import annotations

import argparse
from typing import Any

from harness import run_as_script

TITLE = "A potential asked in batches"

BATCHES = "1,4,16,64"
N_GROUPS = 12
FIRST = """
SELECT * FROM candidates
QUALIFY row_number() OVER (PARTITION BY space_group_number ORDER BY sample_id) <= $each
ORDER BY sample_id LIMIT $n
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", help="home with candidates (CRYSTALFORGE_HOME)")
    parser.add_argument("--crystals", type=int, default=64, help="candidates of the home (%(default)s)")
    parser.add_argument("--batches", default=BATCHES, help="crystals of a batch (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of which the quickest counts (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One by one, then in batches."""
    import torch
    from device_limits import devices, name_of

    torch.set_num_threads(1)  # as in a worker
    cells = _cells(arguments.home, arguments.crystals)
    batches = [int(size) for size in arguments.batches.split(",")]
    # The adapter takes the GPU where there is one: the CPU is then measured by CUDA_VISIBLE_DEVICES="".
    device = devices()[-1]
    return {
        "n": len(cells),
        "mean_atoms": sum(len(cell.atomic_numbers) for cell in cells) / len(cells),
        "device": name_of(device),
        **_potential(cells, batches, device, arguments.repeats),
    }


def _cells(home: str | None, n: int) -> list[Any]:
    """Primitive cells of the first candidates of every space group, as screening relaxes them."""
    from crystalforge.catalog.query import open_catalog
    from crystalforge.crystals.primitive import primitive_cells
    from crystalforge.crystals.rows import batch_from_table
    from crystalforge.home import Home

    with open_catalog(Home.locate(home)) as catalog:
        batch = batch_from_table(catalog.query(FIRST, {"n": n, "each": -(-n // N_GROUPS)}))
    return [cell for _, cell in primitive_cells(batch)]


def _potential(cells: list[Any], batches: list[int], device: str, repeats: int) -> dict[str, Any]:
    """Seconds of a crystal: through ASE, its graph alone, and its graph in a batch."""
    import numpy as np
    from device_limits import seconds
    from pymatgen.io.ase import AseAtomsAdaptor

    from crystalforge.screening.potentials import load_potential
    from crystalforge.screening.relaxation import atoms_of

    potential = load_potential("chgnet")
    calculator = potential.calculator()
    network = calculator.model
    atoms = [atoms_of(cell) for cell in cells]

    def one_by_one() -> list[float]:
        energies = []
        for each in atoms:
            each.calc = calculator
            calculator.reset()
            energies.append(each.get_potential_energy() / len(each))
            each.get_forces(), each.get_stress()
        return energies

    def graphs() -> list[Any]:
        return [network.graph_converter(AseAtomsAdaptor.get_structure(each.copy())) for each in atoms]

    made = graphs()

    def batched(size: int) -> list[float]:
        return [float(answer["e"]) for answer in network.predict_graph(made, task="efs", batch_size=size)]

    differ = np.abs(np.subtract(one_by_one(), batched(batches[-1]))).max()
    n = len(cells)
    return {
        "version": potential.version,
        "ase_s": seconds(one_by_one, device, repeats) / n,
        "graph_s": seconds(graphs, device, repeats) / n,
        "batched_s": {size: seconds(lambda size=size: batched(size), device, repeats) / n for size in batches},
        "differ_ev_per_atom": float(differ),
    }


def section(results: dict[str, Any]) -> str:
    """Text and table."""
    ase, graph = results["ase_s"], results["graph_s"]
    clock = "CPU seconds of one thread" if results["device"].startswith("CPU") else "wall seconds"
    text = (
        f"CHGNet {results['version']} on {results['device']}: energy, forces and stress of {results['n']} candidates, "
        f"primitive cells of {results['mean_atoms']:.1f} atoms in the mean, {clock}. Screening asks through ASE, one "
        f"crystal at a time: {ase * 1e3:.1f} ms for each, of which the graph of neighbours takes {graph * 1e3:.1f} ms. "
        "A batch shares the network only; graphs are made one by one. Energies in the largest batch differ from those "
        f"one by one by at most {results['differ_ev_per_atom']:.1e} eV/atom."
    )
    lines = ["| batch | network (ms) | with its graph (ms) | over one by one |", "|---:|---:|---:|---:|"]
    for size, network in results["batched_s"].items():
        whole = network + graph
        lines.append(f"| {size} | {network * 1e3:.1f} | {whole * 1e3:.1f} | {ase / whole:.2f} |")
    return f"{text}\n\n" + "\n".join(lines)


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
