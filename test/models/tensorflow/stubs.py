"""Stands in for packages that the tensorflowjs converter imports for other kinds of models."""
import sys, types


class Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *args, **kwargs):
        return self


def install():
    for name in ("tensorflow_decision_forests", "tensorflow_hub", "jax", "jax.experimental", "jax.experimental.jax2tf", "flax", "flax.core"):
        module = Anything(name)
        module.__path__ = []
        sys.modules.setdefault(name, module)
