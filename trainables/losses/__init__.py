"""Losses, one file each: the paper, the value, the gradient, and the link from logits to probabilities."""
