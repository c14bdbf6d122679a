"""Writes xla_call/: a SavedModel whose graph calls JAX's modules by XlaCallModule, and what TensorFlow gives for it.

Wants tensorflow 2.21. Run in this folder after make.py: python make_tensorflow.py
"""

import json

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops


def call(name, arguments, shapes, types, platforms):
    with open(f"xla_call/{name}.module", "rb") as file:
        module = file.read()
    return gen_xla_ops.xla_call_module(
        args=arguments,
        version=9,
        module=module,
        Sout=[tf.TensorShape(shape) for shape in shapes],
        Tout=types,
        platforms=platforms,
        dim_args_spec=[],
        function_list=[],
        has_token_input_output=False,
        disabled_checks=[],
    )


class Caller(tf.Module):
    def __init__(self):
        self.w = tf.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        y, sums = call("first", [self.w, x], [[None, 4], [None, 3]], [tf.float32, tf.float32], ["CPU"])
        (z,) = call("second", [tf.ensure_shape(y, [None, 4])[:2]], [[2, 4]], [tf.float32], ["TPU", "CPU"])
        return {"y": y, "sums": sums, "z": z}


caller = Caller()
x = np.arange(9, dtype=np.float32).reshape(3, 3) / 7
results = caller(tf.constant(x))
tf.saved_model.save(caller, "xla_call")
with open("xla_call/golden.json", "w") as file:
    json.dump({"x": x.ravel().tolist(), **{k: v.numpy().ravel().tolist() for k, v in results.items()}}, file)
