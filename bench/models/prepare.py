# Makes the models of `npm run bench:models` in the format of each engine: .tflite (ours and LiteRT.js), .onnx (ONNX
# Runtime) and TensorFlow.js graph models. Weights are random where speed is all that counts.
#
# Wants: tensorflow-cpu 2.21, tf_keras, transformers 4.x, tf2onnx, onnx, tensorflowjs (its decision forests are not needed).
# Usage: python prepare.py OUTPUT [NAME…]

import os
import subprocess
import sys
import types

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# oneDNN would put operations of its own into the graphs.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
# tensorflowjs imports these at once and uses them for formats that are not converted here.
for absent in ("tensorflow_decision_forests", "tensorflow_hub", "jax", "jax.experimental", "jax.experimental.jax2tf"):
    sys.modules.setdefault(absent, types.ModuleType(absent))
sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]

import numpy as np
import tensorflow as tf
import tf_keras as keras


def mobilenet(alpha):
    return keras.applications.MobileNet(input_shape=(224, 224, 3), alpha=alpha, weights=None)


def resnet8():
    """MLPerf Tiny's image classification network."""
    layers = keras.layers
    x = inputs = keras.Input((32, 32, 3))

    def conv(x, filters, size, stride):
        return layers.Conv2D(filters, size, strides=stride, padding="same")(x)

    x = layers.ReLU()(layers.BatchNormalization()(conv(x, 16, 3, 1)))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(conv(x, filters, 3, stride)))
        y = layers.BatchNormalization()(conv(y, filters, 3, 1))
        x = layers.ReLU()(layers.Add()([x if stride == 1 else conv(x, filters, 1, stride), y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def keyword_spotting():
    """MLPerf Tiny's depthwise separable network for 49 x 10 spectrograms."""
    layers = keras.layers
    x = inputs = keras.Input((49, 10, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, (10, 4), strides=2, padding="same")(x)))
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(inputs, layers.Dense(12, activation="softmax")(x))


def dtln_step():
    """One step of DTLN's first network: two LSTMs of 128 whose states go in and out."""
    layers = keras.layers
    frame = keras.Input((1, 257), batch_size=1)
    states = keras.Input((2, 128, 2), batch_size=1)
    x, kept = frame, []
    for i in range(2):
        x, h, c = layers.LSTM(128, return_sequences=True, return_state=True, unroll=True)(
            x, initial_state=[states[:, i, :, 0], states[:, i, :, 1]]
        )
        kept += [h, c]
    mask = layers.Dense(257, activation="sigmoid")(x)
    return keras.Model([frame, states], [mask, tf.reshape(tf.stack(kept, -1), (1, 128, 4))])


class Encoder(tf.Module):
    """BERT over token ids and a mask."""

    def __init__(self, **shape):
        from transformers import BertConfig, TFBertModel, activations_tf
        from transformers.models.bert import modeling_tf_bert

        # The same function in operations that every engine has, and no assertions.
        activations_tf.ACT2FN["gelu"] = lambda x: 0.5 * x * (1 + tf.math.erf(x / 2**0.5))
        modeling_tf_bert.check_embeddings_within_bounds = lambda *_: None
        self.bert = TFBertModel(BertConfig(vocab_size=30522, **shape))
        self.bert(tf.zeros((1, 128), tf.int32))

    @tf.function(
        input_signature=[tf.TensorSpec((1, 128), tf.int32, "input_ids"), tf.TensorSpec((1, 128), tf.int32, "attention_mask")]
    )
    def serve(self, input_ids, attention_mask):
        output = self.bert(input_ids, attention_mask=attention_mask, training=False)
        return {"output": output.last_hidden_state}


MODELS = {
    "mobilenet_0.25": lambda: mobilenet(0.25),
    "mobilenet_1.0": lambda: mobilenet(1.0),
    "resnet8": resnet8,
    "kws": keyword_spotting,
    "dtln_step": dtln_step,
    "minilm": lambda: Encoder(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    "bert_mini": lambda: Encoder(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024),
}


def concrete(model):
    """The serving function with a batch of one."""
    if isinstance(model, Encoder):
        return model, model.serve.get_concrete_function()
    specs = [tf.TensorSpec([1, *x.shape[1:]], x.dtype, f"input_{i}") for i, x in enumerate(model.inputs)]

    def call(*inputs):
        outputs = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return {f"output_{i}": y for i, y in enumerate(outputs if isinstance(outputs, (list, tuple)) else [outputs])}

    return model, tf.function(call, input_signature=specs).get_concrete_function()


def make(name, folder):
    keras.utils.set_random_seed(1)
    model, function = concrete(MODELS[name]())
    holder = tf.Module()
    holder.model, holder.serve = model, function
    saved = os.path.join(folder, name, "saved_model")
    tf.saved_model.save(holder, saved, signatures=function)
    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    with open(os.path.join(folder, name, "model.tflite"), "wb") as file:
        file.write(converter.convert())
    onnx = os.path.join(folder, name, "model.onnx")
    convert = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", saved, "--output", onnx, "--opset", "17"]
    subprocess.run(convert, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    from tensorflowjs.converters import tf_saved_model_conversion_v2

    tf_saved_model_conversion_v2.convert_tf_saved_model(saved, os.path.join(folder, name, "tfjs"))


if __name__ == "__main__":
    output, *names = sys.argv[1:]
    for name in names or MODELS:
        make(name, output)
        print(name)
