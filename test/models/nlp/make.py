"""Makes tokenizers of every kind and what the reference libraries give for 2,000 sentences, beside this file.

Wants tokenizers 0.22, sentencepiece 0.2 and, for minilm's part, the model in .cache/models/minilm (scripts/models.sh).
Writes sentences.json.gz; for each tokenizer NAME.json.gz (or .model) and NAME.ids.json.gz: hashes of the ids of every
sentence, the ids and offsets (in characters) of every hundredth, and texts that were decoded again.
"""

import gzip
import json
import random
import tempfile
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).resolve().parent
chance = random.Random(7)

WORDS = {
    "latin": "the of and to in is that it was for on are with as his they be at one have this from or had by hot word but what some we can out other were all there when up use your how said an each she which do their time if will way about many then them write would like so these her long make thing see him two has look more day could go come did number sound no most people over know water than call first who may down side been now find".split(),
    "accents": "Straße über größer café naïve señor mañana façade cœur élève garçon Ærøskøbing smörgåsbord žluťoučký kůň příliš źdźbło gęś łódź şehir ığdır İstanbul ånd þing ðæt coöperate Zoë fiancée crème brûlée Tiếng Việt nước không được Đặng".split(),
    "cyrillic": "привет мир это пример предложения на русском языке съешь ещё этих мягких французских булок да выпей чаю Київ їжак ґанок Србија ђак".split(),
    "greek": "Καλημέρα κόσμε αυτή είναι μια πρόταση στα ελληνικά ΣΟΦΟΣ Ὀδυσσεύς ἄνδρα μοι ἔννεπε".split(),
    "arabic": "مرحبا بالعالم هذه جملة باللغة العربية السَّلامُ عَلَيْكُم ١٢٣ سلام دنیا این یک نمونه است".split(),
    "hebrew": "שלום עולם זה משפט בעברית בְּרֵאשִׁית בָּרָא".split(),
    "devanagari": "नमस्ते दुनिया यह हिन्दी में एक वाक्य है क्षत्रिय विद्यालय श्री १२३".split(),
    "indic": "வணக்கம் உலகம் নমস্কার পৃথিবী నమస్కారం ప్రపంచం ನಮಸ್ಕಾರ ਸਤਿ ગુજરાતી മലയാളം සිංහල".split(),
    "thai": "สวัสดีชาวโลก ภาษาไทย ไม่มี ช่องว่าง ระหว่างคำ น้ำ กำลัง ລາວ ខ្មែរ မြန်မာ".split(),
    "chinese": "你好世界 今天天气很好 我们去公园 机器学习 自然语言处理 臺灣 龍 𠮷野家 １２３ ＡＢＣ，。「」".split(),
    "japanese": "こんにちは 世界 カタカナ ｶﾞｷﾞ 日本語の文章です 東京タワー ㍿ ①② がぎぐ ー".split(),
    "korean": "안녕하세요 세계 한국어 문장입니다 값 없다 읽다 가각간 ㄱㄴ".split(),
    "other": "ქართული հայերեն አማርኛ ᏣᎳᎩ བོད་ ᠮᠣᠩᠭᠣᠯ ᚠᚢᚦ 𐌲𐌿𐍄 𝓗𝓮𝓵𝓵𝓸 ℌ ﬁ ﬂ ½ ² Ⅷ ™ №".split(),
    "emoji": "😀 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 ❤️ 🧑🏿‍🚀 ☕ ✈️ 1️⃣ 🤷‍♀️".split(),
    "marks": ["e\u0301", "a\u0308\u0323", "o\u0302\u0301", "n\u0303o", "Z\u0351\u036b\u0343a\u0335lgo\u0321\u034f", "\u0041\u030a", "q\u0307\u0323", "\u1100\u1161\u11a8", "s\u0323\u0307", "\u212b", "\u0344"],
    "numbers": "1 12 3.14159 1,000,000 -42 1e-9 0xdeadbeef 50% $19.99 €5 2026-11-22 12:34:56 192.168.0.1 +49-30-1234567 ١٢٣ ४५६ 3/4 10²".split(),
    "code": ["if(x==1){return[a,b];}", "def f(x):", "for(;;)", "&&", "!=", "a->b", "x+=1;", "std::vector<int>", "#include", "\\n", "`cmd`", "$HOME/bin", "@user", "snake_case_name", "camelCaseName", "__init__", "/* no */", "~", "^", "|"],
    "urls": ["https://example.org/a/b?c=d&e=f#g", "mailto:someone@example.com", "www.example.net", "ftp://x.y/z", "C:\\dir\\file.txt", "../up/one"],
    "english": ["don't", "can't", "it's", "I'm", "we've", "they'll", "HE'D", "you're", "O'Neill", "rock'n'roll", "state-of-the-art", "e.g.", "U.S.A.", "Mr.", "Hello,", "world!", "(really)", "\"quoted\"", "‘single’", "“double”", "—", "…", "?!", "antidisestablishmentarianism", "Supercalifragilisticexpialidocious", "WHY", "iPhone", "[MASK]", "[SEP]", "<s>", "</s>", "<mask>", "<|endoftext|>", "<extra>"],
    "spaces": ["\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2028", "\u0085", "\u202f", "   ", "\ufeff", "\u00ad", "\u200d", "\u200e", "\u0000", "\u0007", "\u001b", "\ufffd", "\u007f", "\u2060", "\ue000", "\u1680", "\v", "\f", "▁"],
}


def sentence(i):
    groups = list(WORDS)
    if i % 2 == 0:
        chosen = [groups[i // 2 % len(groups)], "latin"]
    else:
        chosen = [groups[chance.randrange(len(groups))] for _ in range(3)]
    parts = []
    for _ in range(chance.randrange(1, 16)):
        group = WORDS[chosen[0] if chance.random() < 0.7 else chance.choice(chosen)]
        word = chance.choice(group)
        if chance.random() < 0.1:
            word = word.capitalize() if chance.random() < 0.7 else word.upper()
        if chance.random() < 0.1:
            word += chance.choice([",", ".", "!", "?", ";", ":", "...", ")", "'", "”", "。"])
        parts.append(word)
    text = parts[0]
    for part in parts[1:]:
        text += chance.choice([" "] * 14 + ["  ", "", "", "\t", "\n", " \n ", "-", "/"]) + part
    if chance.random() < 0.05:
        text = " " + text
    if chance.random() < 0.05:
        text += chance.choice([" ", "  ", "\n"])
    return text


sentences = [sentence(i) for i in range(1990)] + [
    "", " ", "\n\n", "a", "x" * 120, "ab" * 300, "😀" * 20, "e\u0301" * 40, "  leading and trailing  ", "İI ıi ẞß ΣΑΣ ΌΣΟΣ"]


def fnv(ids):
    value = 0x811C9DC5
    for number in ids:
        for byte in (number & 255, number >> 8 & 255, number >> 16 & 255, number >> 24 & 255):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def write(name, value):
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    (here / name).write_bytes(gzip.compress(data, 9, mtime=0))


def golden(name, tokenizer):
    encodings = [tokenizer.encode(text) for text in sentences]
    pairs = [tokenizer.encode(a, b) for a, b in zip(sentences[:1990:100], sentences[50:1990:100])]
    sample = encodings[::100]
    write(f"{name}.ids.json.gz", {
        "hashes": [fnv(e.ids) for e in encodings],
        "offsets": [fnv([x for pair in e.offsets for x in pair]) for e in encodings],
        "words": [fnv([0xFFFFFF if w is None else w for w in e.word_ids]) for e in sample],
        "ids": [e.ids for e in sample],
        "sampleOffsets": [e.offsets for e in sample],
        "pairs": [{"ids": e.ids, "types": e.type_ids} for e in pairs],
        "decoded": [tokenizer.decode(e.ids) for e in sample],
        "decodedHashes": [fnv(tokenizer.decode(e.ids, skip_special_tokens=False).encode()) for e in encodings],
    })


def trained(name, tokenizer, trainer, finish=None):
    tokenizer.train_from_iterator(sentences[:1990], trainer)
    if finish:
        finish(tokenizer)
    write(f"{name}.json.gz", tokenizer.to_str().encode())
    golden(name, tokenizer)


def template(tokenizer, begin="[CLS]", end="[SEP]"):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(begin, tokenizer.token_to_id(begin)), (end, tokenizer.token_to_id(end))])


# As models in use have them, and each construct of the syntax that those need.
PATTERNS = [
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""",
    r""" ?[^(\s|[.,!?…。，、।۔،])]+""", r"[\r\n]", r"\s?\p{L}+", r"[一-龥぀-ゟ゠-ヿ]+", r"\d{3}|\w+|\W", r"(?>\p{Han}+)|[[:alpha:]]+|\A.|\S\z", r"[a-z\-_]+|\x20|\u00e9",
]


def patterns():
    result = []
    for pattern in PATTERNS:
        try:
            split = pre_tokenizers.Split(Regex(pattern), "isolated")
            result.append({"pattern": pattern, "hashes": [fnv([x for _, pair in split.pre_tokenize_str(text) for x in pair]) for text in sentences[::10]]})
        except Exception as error:
            print(pattern, error)
    write("patterns.json.gz", result)


def lengths():
    """Pairs cut to a length in every way, and batches filled up."""
    tokenizer = Tokenizer.from_str(gzip.open(here / "wordpiece.json.gz").read().decode())
    result = {"truncated": [], "padded": []}
    for length in (7, 12, 20):
        for strategy in ("longest_first", "only_first", "only_second"):
            for direction in ("right", "left"):
                for a, b in ((10, 30), (31, 12), (50, 51)):
                    tokenizer.enable_truncation(length, strategy=strategy, direction=direction)
                    try:
                        ids = tokenizer.encode(sentences[a], sentences[b]).ids
                    except Exception:
                        continue
                    result["truncated"].append({"length": length, "strategy": strategy.replace("_", "-"), "direction": direction, "pair": [a, b], "ids": ids})
    tokenizer.no_truncation()
    for options in ({}, {"length": 60}, {"pad_to_multiple_of": 16}, {"direction": "left", "pad_id": 3, "pad_type_id": 1}):
        tokenizer.enable_padding(**options)
        batch = tokenizer.encode_batch(sentences[20:24])
        result["padded"].append({**{"direction": "right", "pad_id": 0, "pad_type_id": 0}, **options, "ids": [e.ids for e in batch], "mask": [e.attention_mask for e in batch],
                                 "types": [e.type_ids for e in batch]})
    write("lengths.json.gz", result)


def main():
    patterns()
    write("sentences.json.gz", sentences)
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    trained("wordpiece", t, trainers.WordPieceTrainer(vocab_size=1500, special_tokens=bert), template)

    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
                                               pre_tokenizers.Digits(individual_digits=True)])
    t.decoder = decoders.WordPiece(cleanup=False)

    def cased(t):
        t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
        t.add_tokens([AddedToken("camel", single_word=True), AddedToken("<extra>", lstrip=True, rstrip=True),
                      AddedToken("größer", normalized=True)])
    trained("wordpiece-cased", t, trainers.WordPieceTrainer(vocab_size=1200, special_tokens=bert, limit_alphabet=300), cased)

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    trained("bpe-gpt2", t, trainers.BpeTrainer(vocab_size=1000, special_tokens=["<|endoftext|>"],
                                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))

    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()

    def roberta(t):
        t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")),
                                                        trim_offsets=True, add_prefix_space=True)
        t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    trained("bpe-roberta", t, trainers.BpeTrainer(vocab_size=900, special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
                                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet()), roberta)

    t = Tokenizer(models.BPE(ignore_merges=True))
    cl100k = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(cl100k), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    trained("bpe-split", t, trainers.BpeTrainer(vocab_size=1000, special_tokens=["<s>"],
                                                initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))

    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])

    def llama(t):
        template(t, "<s>", "</s>")
    # The trainer needs words; afterwards nothing cuts the text, as in Llama's file.
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")

    def uncut(t):
        spec = json.loads(t.to_str())
        spec["pre_tokenizer"] = None
        return Tokenizer.from_str(json.dumps(spec))
    t.train_from_iterator(sentences[:1990], trainers.BpeTrainer(
        vocab_size=900, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens], limit_alphabet=200))
    t = uncut(t)
    llama(t)
    write("bpe-llama.json.gz", t.to_str().encode())
    golden("bpe-llama", t)

    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.decoder = decoders.BPEDecoder(suffix="</w>")
    trained("bpe-words", t, trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=250))

    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    trained("unigram", t, trainers.UnigramTrainer(vocab_size=1200, special_tokens=["<s>", "</s>", "<unk>", "<pad>", "<mask>"], unk_token="<unk>"),
            lambda t: template(t, "<s>", "</s>"))

    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), pre_tokenizers.Split(Regex(r"\s+"), "removed"),
                                               pre_tokenizers.Split(Regex(r"[[:punct:]]"), "merged_with_previous"),
                                               pre_tokenizers.CharDelimiterSplit("-")])
    trained("wordlevel", t, trainers.WordLevelTrainer(vocab_size=800, special_tokens=["<unk>"]))

    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        text.write_text("\n".join(" ".join(s.split("\n")) for s in sentences[:1990]).replace("\0", " "))
        for name, options in {"sp-unigram": {"model_type": "unigram", "vocab_size": 1200, "hard_vocab_limit": False},
                              "sp-bpe": {"model_type": "bpe", "vocab_size": 1500, "byte_fallback": True, "character_coverage": 0.98,
                                         "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
                                         "user_defined_symbols": ["<extra>"]}}.items():
            sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=f"{folder}/{name}", num_threads=1,
                                                     minloglevel=2, max_sentence_length=100000, **options)
            model = Path(f"{folder}/{name}.model").read_bytes()
            write(f"{name}.model.gz", model)
            sp = sentencepiece.SentencePieceProcessor(model_proto=model)
            encoded = [sp.encode(s) for s in sentences]
            write(f"{name}.ids.json.gz", {"hashes": [fnv(e) for e in encoded], "ids": encoded[::100],
                                          "decoded": [sp.decode(e) for e in encoded[::100]]})
            if name == "sp-unigram":
                # The same model as Transformers converts it, with sentencepiece's map of characters.
                charsmap = sp_charsmap(model)
                t = Tokenizer(models.Unigram([(sp.id_to_piece(i), sp.get_score(i)) for i in range(sp.get_piece_size())], unk_id=sp.unk_id(),
                                             byte_fallback=False))
                t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
                t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
                t.decoder = decoders.Metaspace(prepend_scheme="first")
                t.add_special_tokens(["<s>", "</s>", "<unk>"])
                write("precompiled.json.gz", t.to_str().encode())
                golden("precompiled", t)

    lengths()
    minilm = here.parents[2] / ".cache/models/minilm/tokenizer.json"
    if minilm.exists():
        t = Tokenizer.from_file(str(minilm))
        t.no_truncation()
        t.no_padding()
        golden("minilm", t)


def sp_charsmap(model):
    from transformers.convert_slow_tokenizer import import_protobuf
    proto = import_protobuf().ModelProto()
    proto.ParseFromString(model)
    return proto.normalizer_spec.precompiled_charsmap


main()
