"""crystalforge: discovers inorganic crystals with physics-guided GANs, one per space group."""

__version__ = "0.1.0"
