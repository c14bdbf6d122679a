"""Outputs of TensorFlow for the SavedModels among the shared models: python shared.py FOLDER.

Wants tensorflow 2.21. Writes shared.json beside itself.
"""
import os, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import tensorflow as tf
import golden

folder = sys.argv[1]
golden.LIMIT = 500
results = {}
for root, _, files in sorted(os.walk(folder)):
    if "saved_model.pb" not in files:
        continue
    name = os.path.relpath(root, folder)
    cases = []
    try:
        loaded = tf.saved_model.load(root) if "hub_module" not in name else tf.saved_model.load(root, tags=[])
        for key, function in sorted(loaded.signatures.items()):
            specs = function.structured_input_signature[1]
            # The first variable of the mkl model is random.
            if any(s.dtype == tf.string for s in specs.values()) or ("mkl" in name and "y3" in key):
                continue
            for seed in range(3):
                shapes = {}
                for port, spec in specs.items():
                    dims = spec.shape.as_list() if spec.shape.rank is not None else []
                    shapes[port] = [d if d is not None else (1 + (seed if i == 0 and "basic" not in name and "mkl" not in name else 0)) for i, d in enumerate(dims)]
                inputs = {p: golden.fill(shapes[p], specs[p].dtype.as_numpy_dtype, seed + i) for i, p in enumerate(sorted(specs))}
                seeds = {p: seed + i for i, p in enumerate(sorted(specs))}
                cases.append(
                    golden.case(
                        lambda given: {k: v.numpy() for k, v in function(**{p: tf.constant(a) for p, a in given.items()}).items()},
                        inputs,
                        seeds,
                        key,
                    )
                )
    except Exception as error:
        print(name, "failed:", type(error).__name__, str(error)[:300])
    if cases:
        results[name] = cases
    print(name, len(cases))
golden.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "shared.json"), results)
