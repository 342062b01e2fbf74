"""How each known potential is loaded: a small function each, called with the user's model file or None.

CHGNet and EMT run in the tests; SevenNet was run by hand. The loaders of MACE, MatterSim and ORB follow those packages'
documentation and were never run here: their weights are downloads.
"""

from __future__ import annotations

import contextlib
import io
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from crystalforge.errors import UsageError
from crystalforge.files import sha256_of_file
from crystalforge.screening.potentials import Potential

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

CHGNET_WEIGHTS = "0.3.0"
"""The package holds others, on other scales of energy."""
SEVENNET_WEIGHTS = "7net-l3i5"
"""The most accurate of those in the wheel (sevenn 0.13)."""


def load_chgnet(model: Path | None) -> Potential:
    """CHGNet (Deng et al. 2023); its wheel holds the weights, trained on MP2020-corrected PBE energies."""

    def new() -> Calculator:
        module = import_module("chgnet.model")
        with contextlib.redirect_stdout(io.StringIO()):  # it greets on stdout, where our results go
            device = _device()
            kind = module.CHGNet
            net = (
                kind.from_file(str(model))
                if model
                else kind.load(model_name=CHGNET_WEIGHTS, use_device=device, verbose=False)
            )
            # An atom without neighbours has no energy there: an error, not a number.
            return module.CHGNetCalculator(net, use_device=device, on_isolated_atoms="error")

    return Potential("chgnet", _weights(model) or f"{CHGNET_WEIGHTS} (chgnet {version('chgnet')})", new)


def load_emt(model: Path | None) -> Potential:
    """ASE's effective-medium potential (Al Cu Ag Au Ni Pd Pt): quick, for tests and demos, not for judgement."""
    if model is not None:
        raise UsageError("The potential 'emt' has no model file: leave out --model.")

    def new() -> Calculator:
        from ase.calculators.emt import EMT

        return EMT()

    return Potential("emt", f"ase {version('ase')}", new)


def load_mace(model: Path | None) -> Potential:
    """MACE, from a model file."""
    path = _needed("mace", model)

    def new() -> Calculator:
        return import_module("mace.calculators").MACECalculator(
            model_paths=str(path), device=_device(), default_dtype="float64"
        )

    return Potential("mace", _file_version(path), new)


def load_mattersim(model: Path | None) -> Potential:
    """MatterSim, from a model file."""
    path = _needed("mattersim", model)

    def new() -> Calculator:
        return import_module("mattersim.forcefield").MatterSimCalculator(load_path=str(path), device=_device())

    return Potential("mattersim", _file_version(path), new)


def load_sevennet(model: Path | None) -> Potential:
    """SevenNet (Park et al. 2024); its wheel holds the weights, trained on PBE energies without MP2020."""

    def new() -> Calculator:
        weights = str(model or SEVENNET_WEIGHTS)
        return import_module("sevenn.calculator").SevenNetCalculator(model=weights, device=_device())

    return Potential("sevennet", _weights(model) or f"{SEVENNET_WEIGHTS} (sevenn {version('sevenn')})", new)


def load_orb(model: Path | None) -> Potential:
    """ORB v3 (conservative), from a model file."""
    path = _needed("orb", model)

    def new() -> Calculator:
        pretrained = import_module("orb_models.forcefield.pretrained")
        net = pretrained.orb_v3_conservative_inf_omat(weights_path=str(path), device=_device())
        return import_module("orb_models.forcefield.calculator").ORBCalculator(net, device=_device())

    return Potential("orb", _file_version(path), new)


def _needed(name: str, model: Path | None) -> Path:
    if model is None:
        raise UsageError(f"The potential '{name}' brings no weights: give the file of a model with --model.")
    return model


def _weights(model: Path | None) -> str:
    return _file_version(model) if model else ""


def _file_version(model: Path) -> str:
    return f"{model.name} sha256 {sha256_of_file(model)[:12]}"


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
