"""Makes tiny models with random weights for the tasks of encoders, and what Transformers' pipelines say of texts, beside this file.

Wants transformers 4.57, torch 2. Run make.py and tagger.py before: their tokenizer and tagger are used.
"""

import gzip
import json
from pathlib import Path

import numpy
import torch
import transformers
from tokenizers import Tokenizer
from transformers import (BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
                          PreTrainedTokenizerFast, pipeline)

here = Path(__file__).resolve().parent
torch.manual_seed(5)
transformers.set_seed(5)


def wrapped(tokenizer):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
                                   mask_token="[MASK]", model_max_length=128)


def tokenizer():
    spec = gzip.open(here / "wordpiece.json.gz").read().decode()
    return wrapped(Tokenizer.from_str(spec))


def saved(name, make, **extra):
    config = BertConfig(vocab_size=1500, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=128,
                        initializer_range=0.6, **extra)
    model = make(config).eval()
    folder = here / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return model


def plain(value):
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return float(value) if isinstance(value, (float, numpy.floating)) else int(value) if isinstance(value, numpy.integer) else value


def flat(result):
    return result[0] if isinstance(result[0], list) else result


def main():
    golden = {}
    words = tokenizer()
    texts = ["the people can look at the water", "Größer als 42, e.g. über 3.14!", "find"]
    model = saved("classifier", BertForSequenceClassification, num_labels=3, id2label={0: "bad", 1: "fair", 2: "good"})
    golden["classify"] = [flat(pipeline("text-classification", model=model, tokenizer=words, top_k=3)(text)) for text in texts]
    golden["classifyPair"] = flat(pipeline("text-classification", model=model, tokenizer=words, top_k=3)({"text": texts[0], "text_pair": texts[2]}))
    model.config.problem_type = "multi_label_classification"
    golden["classifyMany"] = [flat(pipeline("text-classification", model=model, tokenizer=words, top_k=3)(text)) for text in texts]
    model = saved("answering", BertForQuestionAnswering)
    context = "when you find the number, write it down. " * 3 + "The people of the first day said: no more water now! " * 14 + "über café señor"
    golden["qa"] = [{"question": question, "context": text, "answers": pipeline("question-answering", model=model, tokenizer=words)(
        question=question, context=text, top_k=3, max_seq_len=128, doc_stride=64, align_to_words=True)}
        for question, text in [("what is it?", texts[0]), ("who said no?", context)]]
    model = saved("masked", BertForMaskedLM)
    golden["fillMask"] = [{"text": text, "fillings": pipeline("fill-mask", model=model, tokenizer=words, top_k=4)(text)}
                          for text in ["the people [MASK] see the water", "[MASK]!"]]
    tagger = here.parents[2] / "examples/models/tagger"
    model = BertForTokenClassification.from_pretrained(tagger, torch_dtype=torch.float32)
    words = wrapped(Tokenizer.from_file(str(tagger / "tokenizer.json")))
    texts = ["Ada Lovelace met Charles Babbage in London in 1833.", "Professor Xanthopoulos (CERN) flew from Geneva to New York, on 3 May 2011!"]
    golden["tag"] = [{"text": text, **{how: pipeline("token-classification", model=model, tokenizer=words, aggregation_strategy=how)(text)
                                       for how in ("none", "simple", "first", "max", "average")}} for text in texts]

    generator = numpy.random.default_rng(5)
    scores = [[round(float(x), 3) for x in generator.normal(0, 3, 24)] for _ in range(4)]
    before = [[int(x) for x in generator.integers(0, 24, 12)] + [3, 5, 3] for _ in scores]
    processors = {
        "topK": transformers.TopKLogitsWarper(5), "topP": transformers.TopPLogitsWarper(0.8), "temperature": transformers.TemperatureLogitsWarper(0.7),
        "repetitionPenalty": transformers.RepetitionPenaltyLogitsProcessor(1.3), "noRepeatNgram": transformers.NoRepeatNGramLogitsProcessor(2)}
    golden["processors"] = {"scores": scores, "tokens": before, **{name: [
        [x if x > -1e30 else None for x in process(torch.tensor([ids]), torch.tensor([row]))[0].tolist()] for row, ids in zip(scores, before)]
        for name, process in processors.items()}}
    (here / "tasks.json").write_text(json.dumps(plain(golden), ensure_ascii=False) + "\n")


main()
