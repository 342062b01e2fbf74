"""From trained models to rows: draw, merge, check. Works on batches of one space group; knows nothing of Ray."""
