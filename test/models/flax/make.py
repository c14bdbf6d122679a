"""Makes the models beside this file: tiny ones with random weights, and what Flax and Transformers compute with them.

Wants Python 3.11 with jax 0.10, flax 0.12, orbax-checkpoint 0.12, transformers 4.57,
sentence-transformers 5, torch 2 and safetensors.
Each folder holds a model as its library saves it and golden.npz: inputs as "in.NAME", outputs as "out.NAME".
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

here = Path(__file__).resolve().parent
only = sys.argv[1:]


def folder(name):
    path = here / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def wanted(name):
    return not only or name in only


def golden(path, inputs, outputs):
    arrays = {f"in.{key}": np.asarray(value) for key, value in inputs.items()}
    arrays |= {f"out.{key}": np.asarray(value) for key, value in outputs.items() if value is not None}
    np.savez(path / "golden.npz", **{key: a.astype("i4") if a.dtype.kind == "i" else a for key, a in arrays.items()})


# Transformers' models.


def ids(random, shape, low=5, high=79):
    return random.integers(low, high, shape)


def text_inputs(types=True, roberta=False):
    random = np.random.default_rng(7)
    tokens = ids(random, (2, 9))
    mask = np.ones((2, 9), int)
    mask[1, 6:] = 0
    tokens[1, 6:] = 1 if roberta else 0
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if types:
        kinds = np.zeros((2, 9), int)
        if not roberta:
            kinds[:, 5:] = 1
        inputs["token_type_ids"] = kinds
    return inputs


small = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, vocab_size=79,
             max_position_embeddings=40, initializer_range=0.2)


def torch_model(name, cls, config, inputs, outputs=None, short=False, **options):
    """Saves a PyTorch model, as safetensors or with save_pretrained's options, with what it computes (in f32)."""
    if not wanted(name):
        return
    import torch

    torch.manual_seed(len(name))
    model = cls(config).eval()
    for parameter_name, parameter in model.named_parameters():
        # Biases and norms begin as 0 and 1: numbers that hide mistakes.
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 0.9 if "orm" in parameter_name and "bias" not in parameter_name else 0, 0.1)
    for buffer_name, buffer in model.named_buffers():
        if buffer_name.endswith("running_mean"):
            torch.nn.init.normal_(buffer, 0, 0.2)
        if buffer_name.endswith("running_var"):
            torch.nn.init.uniform_(buffer, 0.5, 1.5)
        if buffer_name == "final_logits_bias":
            torch.nn.init.normal_(buffer, 0, 0.1)
    path = folder(name)
    if short:
        model.bfloat16()
    model.save_pretrained(path, **options)
    model.float()
    with torch.no_grad():
        result = model(**{key: torch.tensor(value) for key, value in inputs.items()})
    golden(path, inputs, {key: result[key] for key in (outputs or result.keys()) if torch.is_tensor(result[key])})
    return model, path


def flax_model(name, cls, config, inputs):
    """Saves a Flax model as msgpack, with what it computes."""
    if not wanted(name):
        return
    import jax

    model = cls(config, seed=len(name))
    random = np.random.default_rng(3)

    def shake(leaf):
        if leaf.ndim != 1:
            return leaf
        return leaf + random.normal(0, 0.1, leaf.shape).astype(leaf.dtype)

    model.params = jax.tree.map(shake, model.params)
    path = folder(name)
    model.save_pretrained(path)
    result = model(**inputs)
    golden(path, inputs, {key: value for key, value in result.items() if hasattr(value, "shape")})
    return model, path


def transformers_models():
    import transformers as t

    bert = t.BertConfig(**small)
    torch_model("bert", t.BertModel, bert, text_inputs())
    torch_model("bert-classifier", t.BertForSequenceClassification, t.BertConfig(**small, num_labels=3), text_inputs())
    flax_model("bert-flax", t.FlaxBertForMaskedLM, bert, text_inputs())
    roberta = dict(small, max_position_embeddings=42, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    torch_model("roberta", t.RobertaForMaskedLM, t.RobertaConfig(**roberta), text_inputs(roberta=True))
    torch_model("roberta-classifier", t.RobertaForSequenceClassification, t.RobertaConfig(**roberta, num_labels=2),
                text_inputs(roberta=True), max_shard_size="30KB")
    flax_model("roberta-flax", t.FlaxRobertaForTokenClassification, t.RobertaConfig(**roberta),
               text_inputs(roberta=True))
    distil = t.DistilBertConfig(dim=24, n_layers=2, n_heads=4, hidden_dim=40, vocab_size=79,
                                max_position_embeddings=40, initializer_range=0.2, num_labels=5)
    torch_model("distilbert", t.DistilBertForTokenClassification, distil, text_inputs(types=False),
                safe_serialization=False)
    flax_model("distilbert-flax", t.FlaxDistilBertForSequenceClassification, distil, text_inputs(types=False))
    electra = t.ElectraConfig(**small, embedding_size=16)
    torch_model("electra", t.ElectraForQuestionAnswering, electra, text_inputs())
    flax_model("electra-flax", t.FlaxElectraForPreTraining, electra, text_inputs())
    albert = t.AlbertConfig(**small, embedding_size=16)
    torch_model("albert", t.AlbertModel, albert, text_inputs())
    mpnet = t.MPNetConfig(**dict(small, max_position_embeddings=42))
    torch_model("mpnet", t.MPNetModel, mpnet, text_inputs(types=False, roberta=True))

    sentence_encoder("sentence", ["max", "mean", "lasttoken"])

    pixels = np.random.default_rng(2).normal(0, 1, (2, 3, 16, 16)).astype("f4")
    vit = t.ViTConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, image_size=16,
                      patch_size=4, num_labels=6, initializer_range=0.2)
    torch_model("vit", t.ViTForImageClassification, vit, {"pixel_values": pixels})
    flax_model("vit-flax", t.FlaxViTModel, vit, {"pixel_values": pixels})
    pixels = np.random.default_rng(2).normal(0, 1, (1, 3, 32, 32)).astype("f4")
    for kind, hidden in (("basic", [8, 12]), ("bottleneck", [16, 24])):
        resnet = t.ResNetConfig(embedding_size=8, hidden_sizes=hidden, depths=[2, 1], layer_type=kind, num_labels=4)
        torch_model(f"resnet-{kind}", t.ResNetForImageClassification, resnet, {"pixel_values": pixels},
                    short=kind == "basic")
    flax_model("resnet-flax", t.FlaxResNetForImageClassification, resnet, {"pixel_values": pixels})


def sentence_encoder(name, modes):
    """BERT with what Sentence Transformers puts behind it: pooling, a dense layer, normalisation."""
    import torch
    import transformers as t
    from sentence_transformers import models

    inputs = text_inputs()
    made = torch_model(name, t.BertModel, t.BertConfig(**small), inputs)
    if not made:
        return
    model, path = made
    pooling = models.Pooling(24, pooling_mode=modes)
    steps = [pooling, models.Dense(24 * len(modes), 10), models.Normalize()]
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    with torch.no_grad():
        features = {"token_embeddings": model(**{key: torch.tensor(value) for key, value in inputs.items()})[0],
                    "attention_mask": torch.tensor(inputs["attention_mask"])}
        for i, step in enumerate(steps, 1):
            features = step.forward(features)
            kind = type(step).__name__
            (path / f"{i}_{kind}").mkdir()
            step.save(str(path / f"{i}_{kind}"))
            listed.append({"idx": i, "name": str(i), "path": f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"})
    (path / "modules.json").write_text(json.dumps(listed, indent=2) + "\n")
    golden(path, inputs, {"sentence_embedding": features["sentence_embedding"]})


def generated(model, path, prompts, length, **inputs):
    """The greedy tokens of the reference for some prompts."""
    import torch

    tokens = []
    for prompt in prompts:
        result = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
                                max_new_tokens=length, do_sample=False, num_beams=1)
        tokens.append(result[0].tolist())
    (path / "generated.json").write_text(json.dumps({"prompts": prompts, "tokens": tokens}) + "\n")


prompts = [[17, 4, 63], [8], [5, 5, 60, 31, 2, 70, 40, 12, 6, 9]]


def generators():
    import transformers as t

    tokens = {"input_ids": ids(np.random.default_rng(1), (2, 9))}
    gpt2 = t.GPT2Config(n_embd=24, n_layer=2, n_head=4, n_positions=48, vocab_size=79, initializer_range=0.3,
                        bos_token_id=78, eos_token_id=78)
    made = torch_model("gpt2", t.GPT2LMHeadModel, gpt2, tokens, ["logits"])
    if made:
        generated(*made, prompts, 24)
    flax_model("gpt2-flax", t.FlaxGPT2LMHeadModel, gpt2, tokens)
    llama = t.LlamaConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                          intermediate_size=40, vocab_size=79, max_position_embeddings=48, initializer_range=0.3,
                          bos_token_id=78, eos_token_id=78, tie_word_embeddings=False)
    made = torch_model("llama", t.LlamaForCausalLM, llama, tokens, ["logits"])
    if made:
        generated(*made, prompts, 24)
    neox = t.GPTNeoXConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
                           vocab_size=79, max_position_embeddings=48, initializer_range=0.3, bos_token_id=78,
                           eos_token_id=78, rotary_pct=0.7)
    made = torch_model("gpt-neox", t.GPTNeoXForCausalLM, neox, tokens, ["logits"])
    if made:
        generated(*made, prompts, 24)

    t5 = dict(d_model=24, d_kv=5, d_ff=40, num_layers=2, num_heads=4, vocab_size=79, initializer_factor=1.0,
              relative_attention_num_buckets=8, relative_attention_max_distance=20, decoder_start_token_id=0)
    inputs = {**text_inputs(types=False), "decoder_input_ids": ids(np.random.default_rng(4), (2, 6))}
    made = torch_model("t5", t.T5ForConditionalGeneration, t.T5Config(**t5), inputs,
                       ["logits", "encoder_last_hidden_state"])
    if made:
        generated(*made, prompts, 24)
    gated = t.T5Config(**dict(t5, num_layers=1), feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    made = torch_model("t5-gated", t.T5ForConditionalGeneration, gated, inputs,
                       ["logits", "encoder_last_hidden_state"])
    if made:
        generated(*made, prompts, 24)
    # Transformers 4.57 uses an argument name that JAX has dropped since.
    import jax.numpy as jnp

    clip = jnp.clip
    jnp.clip = lambda x, a_min=None, a_max=None: clip(x, a_min, a_max)
    flax_model("t5-flax", t.FlaxT5ForConditionalGeneration, t.T5Config(**t5), inputs)

    bart = dict(d_model=24, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=3,
                encoder_ffn_dim=40, decoder_ffn_dim=36, vocab_size=79, max_position_embeddings=40, init_std=0.2,
                decoder_start_token_id=2, pad_token_id=1, bos_token_id=0, eos_token_id=2, forced_eos_token_id=None)
    inputs = {**text_inputs(types=False, roberta=True), "decoder_input_ids": inputs["decoder_input_ids"]}
    for name, cls, config in (
            ("bart", t.BartForConditionalGeneration, t.BartConfig(**bart)),
            ("marian", t.MarianMTModel, t.MarianConfig(**bart, scale_embedding=True, activation_function="swish"))):
        made = torch_model(name, cls, config, inputs, ["logits", "encoder_last_hidden_state"])
        if made:
            generated(*made, prompts, 24)
    flax_model("mbart-flax", t.FlaxMBartForConditionalGeneration, t.MBartConfig(**bart), inputs)


def flax_models():
    """Models of our own in Flax: what `config.json` describes, and programs that take their parameters as inputs."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import orbax.checkpoint as ocp
    from flax import nnx, serialization

    random = np.random.default_rng(11)

    def shaken(tree):
        return jax.tree.map(lambda leaf: leaf + jnp.asarray(random.normal(0, 0.1, leaf.shape), leaf.dtype), tree)

    def config(path, **what):
        (path / "config.json").write_text(json.dumps(what, indent=2) + "\n")

    def orbax(path, tree, **options):
        shutil.rmtree(path, ignore_errors=True)
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)).save(path, tree)
        for spare in ("_CHECKPOINT_METADATA", "commit_success.txt", "_sharding"):
            (path / spare).unlink(missing_ok=True)

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Dense(16)(x))
            x = nn.tanh(nn.Dense(8)(x))
            return nn.Dense(3)(x)

    layers = [{"type": "dense", "features": 16, "activation": "relu"},
              {"type": "dense", "features": 8, "activation": "tanh"}, {"type": "dense", "features": 3}]
    x = random.normal(0, 1, (4, 10)).astype("f4")

    if wanted("mlp-linen"):
        path = folder("mlp-linen")
        parameters = shaken(Mlp().init(jax.random.key(0), x))
        (path / "weights.msgpack").write_bytes(serialization.to_bytes(parameters))
        config(path, architecture="mlp", input=[10], layers=layers)
        golden(path, {"x": x}, {"y": Mlp().apply(parameters, x)})

    if wanted("mlp-bf16"):
        path = folder("mlp-bf16")
        parameters = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), shaken(Mlp().init(jax.random.key(0), x)))
        orbax(path / "weights", parameters, use_ocdbt=True)
        config(path, architecture="mlp", input=[10], layers=layers)
        widened = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), parameters)
        golden(path, {"x": x}, {"y": Mlp().apply(widened, x)})

    class NnxMlp(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([nnx.Linear(10, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)])
            self.head = nnx.Linear(8, 3, rngs=rngs)

        def __call__(self, x):
            return self.head(jnp.tanh(self.layers[1](nnx.relu(self.layers[0](x)))))

    if wanted("mlp-nnx"):
        path = folder("mlp-nnx")
        model = NnxMlp(nnx.Rngs(1))
        nnx.update(model, shaken(nnx.state(model)))
        orbax(path / "weights", nnx.state(model), use_ocdbt=True)
        named = [dict(layer, name=name) for layer, name in zip(layers, ["layers.0", "layers.1", "head"])]
        config(path, architecture="mlp", input=[10], layers=named)
        golden(path, {"x": x}, {"y": model(x)})

    class Cnn(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(6, (3, 3), strides=2)(x)
            x = nn.BatchNorm(use_running_average=True)(x)
            x = nn.relu(x)
            x = nn.Conv(8, (3, 3), padding="VALID", feature_group_count=2)(x)
            x = nn.gelu(x)
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
            x = x.reshape(x.shape[0], -1)
            x = nn.LayerNorm()(nn.Dense(12)(x))
            return nn.softmax(nn.Dense(5)(x))

    pictures = random.normal(0, 1, (2, 14, 14, 3)).astype("f4")
    cnn = [{"type": "conv", "features": 6, "kernel": [3, 3], "strides": [2, 2]},
           {"type": "batch_norm", "activation": "relu"},
           {"type": "conv", "features": 8, "kernel": [3, 3], "padding": "VALID", "groups": 2,
            "activation": "gelu_tanh"},
           {"type": "max_pool", "size": [2, 2]}, {"type": "flatten"}, {"type": "dense", "features": 12},
           {"type": "layer_norm"}, {"type": "dense", "features": 5, "activation": "softmax"}]
    for name, options in (("cnn-zarr", dict(use_ocdbt=False)), ("cnn-zarr3", dict(use_ocdbt=True, use_zarr3=True))):
        if wanted(name):
            path = folder(name)
            parameters = Cnn().init(jax.random.key(2), pictures)
            parameters = {"params": shaken(parameters["params"]),
                          "batch_stats": jax.tree.map(lambda leaf: leaf + 0.1, parameters["batch_stats"])}
            orbax(path / "weights", parameters, **options)
            config(path, architecture="cnn", input=[14, 14, 3], layers=cnn)
            golden(path, {"x": pictures}, {"y": Cnn().apply(parameters, pictures)})

    class NnxCnn(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 6, (3, 3), strides=2, rngs=rngs)
            self.norm = nnx.BatchNorm(6, use_running_average=True, rngs=rngs)
            self.out = nnx.Linear(6, 4, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.norm(self.conv(x)))
            return self.out(jnp.mean(x, axis=(1, 2)))

    if wanted("cnn-nnx"):
        path = folder("cnn-nnx")
        model = NnxCnn(nnx.Rngs(3))
        nnx.update(model, jax.tree.map(lambda leaf: leaf + 0.1, nnx.state(model)))
        tree = nnx.to_pure_dict(nnx.state(model))
        (path / "weights.msgpack").write_bytes(serialization.msgpack_serialize(tree))
        config(path, architecture="cnn", input=[14, 14, 3], layers=[
            {"type": "conv", "name": "conv", "features": 6, "kernel": [3, 3], "strides": [2, 2]},
            {"type": "batch_norm", "name": "norm", "activation": "relu"}, {"type": "global_avg_pool"},
            {"type": "dense", "name": "out", "features": 4}])
        golden(path, {"x": pictures}, {"y": model(pictures)})

    # Programs of jax.export whose first argument is the tree of parameters.

    def exported(path, function, parameters, argument):
        # Names of source files without where they are.
        jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")
        program = jax.export.export(jax.jit(function), platforms=["cpu"])(parameters, argument)
        (path / "program.jax").write_bytes(program.serialize())

    class Lstm(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.RNN(nn.OptimizedLSTMCell(7))(x)
            return nn.Dense(4)(x)

    if wanted("lstm-export"):
        path = folder("lstm-export")
        steps = random.normal(0, 1, (2, 5, 3)).astype("f4")
        parameters = shaken(Lstm().init(jax.random.key(4), steps))
        orbax(path / "weights", parameters, use_ocdbt=True)
        exported(path, lambda p, x: Lstm().apply(p, x), parameters, steps)
        golden(path, {"x": steps}, {"y": Lstm().apply(parameters, steps)})

    class Block(nn.Module):
        @nn.compact
        def __call__(self, tokens):
            x = nn.Embed(30, 12)(tokens)
            x = x + nn.MultiHeadDotProductAttention(num_heads=3)(nn.LayerNorm()(x))
            x = x + nn.Dense(12)(nn.gelu(nn.Dense(20)(nn.LayerNorm()(x))))
            return nn.Dense(30)(nn.LayerNorm()(x))

    if wanted("transformer-export"):
        path = folder("transformer-export")
        tokens = random.integers(0, 30, (2, 6)).astype("i4")
        parameters = shaken(Block().init(jax.random.key(5), tokens))
        (path / "weights.msgpack").write_bytes(serialization.to_bytes(parameters))
        exported(path, lambda p, x: Block().apply(p, x), parameters, tokens)
        golden(path, {"x": tokens}, {"y": Block().apply(parameters, tokens)})


def trees():
    """Weights alone, for the readers: chunked arrays, numbers, complex ones, half floats."""
    if not wanted("trees"):
        return
    import flax.serialization as serialization
    import ml_dtypes
    import tensorstore as ts
    import torch
    from safetensors.numpy import save_file

    path = folder("trees")
    random = np.random.default_rng(9)
    tree = {"a": random.normal(0, 1, (5, 7)).astype("f4"), "half": np.array([1.5, -2, 65504], "f2"),
            "brain": np.array([[1, -3.140625]], ml_dtypes.bfloat16), "steps": 12, "rate": 0.25,
            "nested": {"0": {"n": np.arange(6).reshape(2, 3)}, "z": np.array([1 + 2j], "c8")},
            "number": np.float32(2.5), "flags": np.array([True, False])}
    serialization.MAX_CHUNK_SIZE = 64
    (path / "chunked.msgpack").write_bytes(serialization.msgpack_serialize(tree))
    save_file({key: value for key, value in tree.items() if isinstance(value, np.ndarray) and key != "brain"},
              path / "plain.safetensors", metadata={"format": "np"})
    np.savez_compressed(path / "plain.npz", a=tree["a"], half=tree["half"], f=np.asfortranarray(tree["a"]))
    view = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    torch.save({"view.weight": view[:, 1:4].t(), "whole.weight": view, "half.bias": view[0].half(),
                "brain": view[0].bfloat16(), "count": torch.tensor(7), "p": torch.nn.Parameter(view[1].clone())},
               path / "state.bin")
    # A database with interior nodes, and one with a manifest for each version.
    for name, options in (("tall", {"max_decoded_node_bytes": 300, "max_inline_value_bytes": 20}),
                          ("numbered", {"manifest_kind": "numbered", "compression": None})):
        store = ts.KvStore.open({"driver": "ocdbt", "base": f"file://{path}/{name}/", "config": options}).result()
        with ts.Transaction() as transaction:
            for i in range(40):
                store.with_transaction(transaction)[f"key/{i:02}/x"] = b"v%d." % i * i

    # The numbers 0, 1, 2, … as zarr in different dress: test of formats/zarr.ts.
    def zarr(name, shape, dtype, **metadata):
        version = "zarr3" if "codecs" in metadata else "zarr"
        spec = {"driver": version, "metadata": metadata,
                "kvstore": {"driver": "file", "path": f"{path}/zarr/{name}/"}}
        array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        ts.open(spec, create=True, dtype=array.dtype, shape=shape).result().write(array).result()

    small, chunks = (5, 3, 4), [2, 2, 3]
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    packed = {"name": "zstd", "configuration": {"level": 3}}
    grid = {"name": "regular", "configuration": {"chunk_shape": [4, 2, 4]}}
    zarr("fortran", small, "f4", chunks=chunks, order="F", compressor=None, dimension_separator="/")
    zarr("big", small, ">i2", chunks=chunks, compressor={"id": "zlib"})
    zarr("brain", small, ml_dtypes.bfloat16, chunks=chunks, compressor={"id": "gzip"})
    zarr("scalar", (), "f8", compressor={"id": "zstd"})
    for compressor in ("lz4", "zstd", "zlib"):
        zarr(f"blosc-{compressor}", (40, 40), "f4", chunks=[30, 40], compressor={"id": "blosc", "cname": compressor,
                                                                              "shuffle": 1})
    zarr("holes", small, "f4", chunks=chunks, compressor={"id": "zstd"})
    for chunk in (path / "zarr/holes").glob("1.*"):
        chunk.unlink()
    zarr("transposed", small, "f4", chunk_grid=grid, codecs=[
        {"name": "transpose", "configuration": {"order": [2, 0, 1]}}, little, packed])
    zarr("shards", small, "f4", chunk_grid=grid, codecs=[{"name": "sharding_indexed", "configuration": {
        "chunk_shape": [2, 1, 2], "codecs": [little, packed], "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "start"}}])
    zarr("checked", small, "i8", chunk_grid=grid, chunk_key_encoding={"name": "v2"}, codecs=[
        {"name": "bytes", "configuration": {"endian": "big"}}, {"name": "gzip", "configuration": {"level": 5}},
        {"name": "crc32c"}])


transformers_models()
generators()
flax_models()
trees()
for left in (".cache",):
    shutil.rmtree(here / left, ignore_errors=True)
