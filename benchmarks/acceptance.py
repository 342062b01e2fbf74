"""Accepted share of each space group beside its null: `python benchmarks/acceptance.py [--home HOME] [--samples 4000]`.

Draws from the newest training of the home, and as many crystals of pure noise (uniform coordinates, log-uniform cells,
any three elements), and puts both through the same merge and the same checks as `platform generate`.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from crystalforge.gan.checkpoint import load_model
from crystalforge.generation.sampling import accepted_shares
from crystalforge.home import Home
from crystalforge.jobs.trained_models import find_models


def main() -> None:
    """Print a line for each space group: both shares in percent, each with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    models = find_models(Home.locate(arguments.home))
    print(
        f"{models.training_id} on {models.dataset_id}: accepted (%) of n = {arguments.samples} each, ± standard error"
    )
    print("space group  crystals       drawn       noise")
    for number in sorted(models.records, key=lambda number: -models.counts[number]):
        model = load_model(models.checkpoint_folder(number))
        seed = np.random.SeedSequence([arguments.seed, number])
        shares = accepted_shares(model, arguments.samples, seed)
        cells = [f"{100 * share:5.1f} ±{100 * _error(share, arguments.samples):4.1f}" for share in shares.values()]
        print(f"{number:11d}  {models.counts[number]:8d}  {'  '.join(cells)}")


def _error(share: float, n: int) -> float:
    """Standard error of a share."""
    return math.sqrt(share * (1 - share) / n)


if __name__ == "__main__":
    main()
