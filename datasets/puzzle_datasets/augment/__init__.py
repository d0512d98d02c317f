"""Augmentation on the fly: whole batches, on the batch's device, each with an exact inverse."""
