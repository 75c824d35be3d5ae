"""The tests compile some hundred small programs once each: they ask XLA to think less about each."""

import os

FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

# read by XLA when it is first used; without effect where it is running already
os.environ.setdefault("XLA_FLAGS", FLAGS)
