"""Writes mlperf.json: outputs of the mlperf-tiny HDF5 models for three inputs each. Wants tensorflow 2.21, tf_keras 2.21.

Arguments: the folder of the models. Inputs: float32(sin(0.7 k + n) * 0.5), k the flat index, n the number of the input.
"""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tf_keras

here = os.path.dirname(os.path.abspath(__file__))
result = {}
for name in ["model_ToyCar.hdf5", "pretrainedResnet.h5", "str_ww_ref_model.h5", "vww_96.h5"]:
    model = tf_keras.models.load_model(os.path.join(sys.argv[1], name), compile=False)
    shape = [1 if n is None else n for n in model.input_shape]
    count = int(np.prod(shape))
    outputs = []
    for n in range(3):
        x = (np.sin(0.7 * np.arange(count) + n) * 0.5).astype("f4").reshape(shape)
        y = np.asarray(model(x, training=False)).ravel()
        outputs.append([float(f"{v:.9g}") for v in y[:640]])
    result[name] = {"input": shape, "outputs": outputs}
with open(os.path.join(here, "mlperf.json"), "w") as file:
    json.dump(result, file, separators=(",", ":"))
