"""Images that tests make."""

import torch


def smooth(*shape, seed=0):
    """Images of natural statistics: noise averaged over neighbours, 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(shape, generator=generator)
    for axis in (-1, -2):
        image = image.cumsum(axis)
        image = image - image.mean(axis, keepdim=True)
    spread = image.std((-1, -2), keepdim=True).clamp(min=1e-6)
    return (128 + 50 * image / spread).round().clamp(0, 255).to(torch.uint8)
