"""Makes golden.json beside this file: token ids and what sentence-transformers' all-MiniLM-L6-v2 computes from them.

Wants transformers 4.57, torch 2 and the model in .cache/models/minilm (scripts/models.sh).
"""

import json
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

here = Path(__file__).resolve().parent
path = here.parent.parent.parent / ".cache/models/minilm"
tokenizer = AutoTokenizer.from_pretrained(path)
model = AutoModel.from_pretrained(path).eval()
sentences = ["A kernel in a browser runs the programs that people already have.", "Hello, world!",
             "Wie spät ist es? Das weiß niemand so genau, aber es wird schon gehen.",
             "the quick brown fox jumps over the lazy dog " * 12]
golden = []
for batch in (sentences[:3], sentences[1:2], sentences[3:]):
    inputs = tokenizer(batch, padding=True, truncation=True, max_length=128, return_tensors="pt")
    with torch.no_grad():
        tokens = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).float()
    embedding = torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9), dim=1)
    golden.append({"sentences": batch, **{key: value.tolist() for key, value in inputs.items()},
                   "sentence_embedding": [[float(f"{x:.7f}") for x in row] for row in embedding.tolist()]})
(here / "golden.json").write_text(json.dumps(golden) + "\n")
