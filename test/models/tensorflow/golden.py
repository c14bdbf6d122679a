"""Inputs by formula and outputs of TensorFlow as JSON: what make.py and shared.py write."""
import json, math
import numpy as np

LIMIT = 1500  # elements of an output that are kept: every n-th


def fill(shape, dtype, seed):
    """The same numbers as fill() in test/models/tensorflow/cases.ts."""
    count = int(np.prod(shape)) if len(shape) else 1
    dtype = np.dtype(dtype)
    if dtype.kind == "f" or dtype.name == "bfloat16":
        values = [math.sin(0.7 * k + seed) * 0.5 for k in range(count)]
    elif dtype.kind == "b":
        values = [(k * 37 + seed) % 3 == 0 for k in range(count)]
    elif dtype.kind == "c":
        values = [complex(math.sin(0.7 * k + seed) * 0.5, math.cos(0.3 * k + seed) * 0.5) for k in range(count)]
    else:
        values = [(k * 37 + seed) % 64 for k in range(count)]
    return np.array(values, dtype=dtype).reshape(shape)


def numbers(array):
    array = np.asarray(array)
    flat = array.reshape(-1)
    if array.dtype.kind == "c":
        flat = np.stack([flat.real, flat.imag], -1).reshape(-1)
    stride = max(1, -(-flat.size // LIMIT))
    if flat.dtype.kind == "b":
        kept = [int(v) for v in flat[::stride]]
    elif flat.dtype.kind in "iu":
        kept = [int(v) for v in flat[::stride]]
    else:
        kept = [repr(float(v)) if not np.isfinite(v) else float(f"{float(v):.9g}") for v in flat[::stride].astype(np.float64)]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "stride": stride, "values": kept}


def spelled(seed, array):
    array = np.asarray(array)
    entry = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if seed is None:
        entry["values"] = numbers(array)["values"]
    else:
        entry["seed"] = seed
    return entry


def case(run, inputs, seeds=None, signature=None):
    """inputs: name -> array; seeds: name -> seed where the array is fill()'s."""
    outputs = run(inputs)
    entry = {
        "inputs": {name: spelled((seeds or {}).get(name), array) for name, array in inputs.items()},
        "outputs": {name: numbers(array) for name, array in outputs.items()},
    }
    if signature:
        entry["signature"] = signature
    return entry


def write(path, cases):
    with open(path, "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")
