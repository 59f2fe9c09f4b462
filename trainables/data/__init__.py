"""Folders of labelled images: the Kaggle layout, the digits written in it, folds, and images as tensors."""
