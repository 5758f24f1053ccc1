"""What a model of transformers computes when nothing in it rounds to float32: the judge of two float32 answers."""

from contextlib import contextmanager

import torch

from .golden import load


@torch.no_grad()
def exactly(folder, ids):
    """Logits [T, V] in float64, of the weights as they are on file."""
    model, _ = load(folder, torch.float64)
    model.config._experts_implementation = "eager"
    with float64_throughout():
        logits = model.double()(input_ids=ids[None], use_cache=False).logits[0]
    assert logits.dtype == torch.float64
    return logits


@contextmanager
def float64_throughout():
    """Modelling code that asks for float32 gets float64."""
    held = torch.Tensor.float, torch.Tensor.to, torch.nn.functional.softmax

    def wider(value):
        return torch.float64 if value is torch.float32 else value

    def to(tensor, *args, **kwargs):
        return held[1](tensor, *map(wider, args), **{name: wider(value) for name, value in kwargs.items()})

    def softmax(x, dim=None, dtype=None, **kwargs):
        return held[2](x, dim=dim, dtype=wider(dtype), **kwargs)

    torch.Tensor.float, torch.Tensor.to, torch.nn.functional.softmax = torch.Tensor.double, to, softmax
    try:
        yield
    finally:
        torch.Tensor.float, torch.Tensor.to, torch.nn.functional.softmax = held
