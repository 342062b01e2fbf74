"""The Wasserstein GAN of one space group: networks, losses, training and checkpoints. Torch, and nothing of Ray.

Names of dimensions: ``n`` crystals of a batch, 3 sets of base sites (the paper's B0, B1, B2), 3 elements, 3 axes. A
tensor of base sites is ``(n, 3 sets, 3 elements, 3 axes)``, fractional. Lengths and distances are in Å.
"""
