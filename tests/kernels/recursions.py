"""The kernel recursions of the zoo, each derived once for all tests of this folder."""

from functools import cache

from ntksym.kernels import KernelRecursion, kernel_recursion
from ntksym.zoo import load

SIZES = {"rnn": {"T": 2}, "lstm": {"T": 1}, "ssm": {"T": 2}}
"""Lengths of the time axes that scans run along."""
REFUSED = ("lora", "moe")
"""Programs whose kernels stay random: few coordinates in a layer, mixing with random weights."""


@cache
def recursion(name: str) -> KernelRecursion:
    return kernel_recursion(load(name), sizes=SIZES.get(name))
