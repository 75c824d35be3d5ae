"""PyTorch where it is installed, and the modules that the tests read."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models():
    """tests/frameworks/models.py; skips where PyTorch is missing."""
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("torch_models", Path(__file__).with_name("models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def gpt(models):
    """A small GPT whose logits are divided by the coordinates of a head, read once."""
    import torch

    import ntksym as ns

    def build(n, L):
        return models.GPT(n, L, scale=lambda d_head: 1 / d_head)

    return ns.from_torch(build, {"n": (32, 64), "L": (2, 3)}, torch.zeros(2, 16, dtype=torch.long))


@pytest.fixture(scope="session")
def gpt_table(gpt):
    import ntksym as ns

    return ns.scaling_table(gpt)


_LIBRARIES = []
"""Operations are defined for as long as their library lives."""


@pytest.fixture(scope="session")
def torchvision():
    """Builds of torchvision for another PyTorch lack its compiled operations, which no model here needs."""
    torch = pytest.importorskip("torch")
    try:
        return pytest.importorskip("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
        return pytest.importorskip("torchvision")


@pytest.fixture(scope="session")
def hf(torchvision):
    """Hugging Face's transformers, which import torchvision where there is one."""
    return pytest.importorskip("transformers")
