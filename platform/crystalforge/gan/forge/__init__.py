"""Method ``forge``: a Wasserstein GAN that starts from the nearest known crystals (docs/model.md, Forge)."""
