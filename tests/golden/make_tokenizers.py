#!/usr/bin/env python3
"""Make tests/golden/tokenizers/: tiny vocabularies and what other tokenizers make of many lines.

Byte-level BPE is trained and encoded by Hugging Face's tokenizers, SentencePiece-style BPE and Unigram
by Google's sentencepiece, all on the text made up below. Files hold a vocabulary and no weights.

    pip install tokenizers sentencepiece gguf
    python make_tokenizers.py

Format of NAME.expect: pairs of lines `text: ...` and `plain: ids` or `special: ids` (special tokens
in the text are what they say), without a begin-of-text token. In a text, `\\\\`, `\\n`, `\\r` and
`\\xHH` (a byte) are escapes.
"""

import io
import json
import os
import pathlib
import random
import tempfile

os.environ["RAYON_NUM_THREADS"] = "1"  # trains the same vocabulary every time

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent / "tokenizers"
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"

# ---- text ---------------------------------------------------------------------------------------

SYLLABLES = {
    "latin": "ba ce di fo gu ha ki lo mi nu pe ra si to va wu xy ze qua str ing tion er".split(),
    "accents": "ä ö ü ß é è ê ñ ç ø å č š ž ł ő ğ ı İ".split() + list("aeioun"),
    "cyrillic": "ба ве ги до жу за ий ко ли мы но пе ры сё ть ух фа це щи эю я".split(),
    "greek": "αλ βε γη δι εν ζω θα ικ λο μυ νε ξι ος πρ ση τα ύ χω ψη".split(),
    "arabic": "با ال من في هذا كتاب لم سلام ٣ ٤ ه".split(),
    "hindi": "न म स्ते कि ता ब है में ने ज्ञ १ २".split(),
    "thai": "สวัส ดี ครับ ไทย ภา ษา ก็ ๕".split(),
    "chinese": list("你好世界中文字符测试的一是不了人我在有他这"),
    "japanese": list("あいうえおかきくけこアイウエオ日本語東京"),
    "korean": list("안녕하세요한국어문장입니다"),
}
PIECES = [
    "it's", "I'll", "we've", "DON'T", "they'Re", "'s", "'S", "x'd", "camelCase", "HTTPServer",
    "snake_case", "3.14", "1234567", "12", "2024-01-31", "0xFF", "½", "Ⅷ", "²", "a+b=c", "(x)",
    "[1]", "{}", "<b>", "</b>", "&amp;", "//", "...", "!!!", "?!", "--", "—", "“q”", "«g»", "$5",
    "50%", "#tag", "@me", "e\u0301", "n\u0303o", "s\u0323\u0307", "z\u200dj", "\ufeff", "\u00ad",
    "😀", "👍🏽", "👨‍👩‍👧", "🇩🇪", "❤️", "\x00", "\x07", "\x1b[0m", "\x7f", "\x85", "\u2028",
    "\u00a0", "\u3000", "\u1680", "\u180e", "\u202f", "\u2003", "ſ", "K", "ﬁ", "ǅ", "𝒳", "𐐀",
]
WHITE = [" "] * 12 + ["  ", "   ", "    ", "\n", "\n\n", "\n\n\n", " \n", "\r\n", "\t", "\t\t", "",
                      " \n  ", "\n "]
SPECIAL_TEXT = ["<|start|>", "<|end|>", "<tool>", "<tool>s", "<|sta", "\n\n\n\n", "<s>", "</s>",
                "<unk>", "<0x0A>", "<pad>"]


def word(rng):
    script = rng.choice(["latin"] * 6 + list(SYLLABLES))
    text = "".join(rng.choice(SYLLABLES[script]) for _ in range(rng.randint(1, 4)))
    return rng.choice([text, text, text.capitalize(), text.upper()])


def line(rng, length, odd):
    out = ""
    for _ in range(length):
        kind = rng.random()
        out += rng.choice(PIECES) if kind < odd else word(rng)
        out += rng.choice(WHITE)
    return out


def corpus():
    rng = random.Random(1)
    return [line(rng, 20, 0.2) for _ in range(400)]


def test_lines(special):
    # Old characters only: of others, Unicode versions think differently.
    rng = random.Random(2)
    lines = ["", " ", "  ", "\n", "\t", "a", " a", "a ", "\r\n\r\n", "\x00", " \n a  \n\n  b"]
    lines += PIECES
    lines += [line(rng, rng.randint(1, 12), 0.4) for _ in range(90)]
    lines += ["ba" * 40, " " * 67, "\n" * 40, "7" * 25, "ä" * 30, "あ" * 20, "!" * 33, " \t" * 20]
    for _ in range(30):
        lines.append("".join(chr(rng.choice([rng.randint(0, 0x7F), rng.randint(0x80, 0x24F),
                                             rng.randint(0x370, 0x58F), rng.randint(0x4E00, 0x9FA5)]))
                             for _ in range(rng.randint(1, 20))))
    for _ in range(30 if special else 0):
        parts = rng.choices(SPECIAL_TEXT, k=3)
        lines.append("".join(p + rng.choice(["", " ", word(rng)]) for p in parts))
    return lines


BAD = [b"a\xffb", b"\xe2\x82", b"\xc0\xaf!", b"\xed\xa0\x80", b"\xf0\x9f\x98a", b"\x80\x80",
       b"\xf4\x90\x80\x80", b"ok\xc3"]

# ---- files --------------------------------------------------------------------------------------


def escape(data):
    out = ""
    for char in data.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if char == "\\":
            out += "\\\\"
        elif 0xDC80 <= code <= 0xDCFF:
            out += "\\x%02x" % (code - 0xDC00)
        elif char == "\n":
            out += "\\n"
        elif char == "\r":
            out += "\\r"
        elif code < 0x20 or code == 0x7F:
            out += "\\x%02x" % code
        else:
            out += char
    return out


def write_expect(name, encode, special):
    """`encode(text, special)` gives ids."""
    out = io.StringIO()
    texts = [text.encode() for text in test_lines(special)] + BAD
    for data in texts:
        text = data.decode("utf-8", "replace")
        out.write("text: %s\n" % escape(data))
        out.write(" ".join(["plain:"] + [str(i) for i in encode(text, False)]) + "\n")
        if special and any(s in text for s in SPECIAL_TEXT):
            out.write("text: %s\n" % escape(data))
            out.write(" ".join(["special:"] + [str(i) for i in encode(text, True)]) + "\n")
    (HERE / (name + ".expect")).write_text(out.getvalue(), newline="\n")


def write_gguf(name, kind, tokens, types, scores=None, merges=None, pre=None, keys=()):
    writer = gguf.GGUFWriter(HERE / (name + ".gguf"), "llama")
    writer.add_name(name)
    writer.add_tokenizer_model(kind)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores:
        writer.add_token_scores(scores)
    if merges:
        writer.add_token_merges(merges)
    for key, value in keys:
        getattr(writer, key)(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


# ---- byte-level BPE -----------------------------------------------------------------------------

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+%s|"
         r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*%s|")
CASED_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
# As in the tokenizer.json files of the families.
BPE = {
    "gpt-2": [GPT2],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), GPT2],
    "llama-bpe": [split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + TAIL), BYTES],
    "qwen2": [split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + TAIL), BYTES],
    "gpt-4o": [split(CASED % (CONTRACTIONS + "?", CONTRACTIONS + "?") + r"\p{N}{1,3}|" + CASED_TAIL),
               BYTES],
    "tekken": [split(CASED % ("", "") + r"\p{N}|" + CASED_TAIL), BYTES],
    "deepseek-v3": [split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"),
                    split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
                          "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
                          "\\s*[\r\n]+|\\s+(?!\\S)|\\s+"), BYTES],
    "deepseek-coder": [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
                       split("[一-龥ࠀ-一가-\ud7ff]+"),
                       pre_tokenizers.Digits(individual_digits=True), BYTES],
}


def make_bpe(name):
    ignore_merges = name in ("llama-bpe", "tekken")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(BPE[name])
    # smollm: an alphabet with holes, as the real one has.
    alphabet = [] if name == "smollm" else pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=256 + 300, initial_alphabet=sorted(alphabet), show_progress=False))
    state = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(state["vocab"], key=state["vocab"].get)
    merges = [tuple(m) for m in state["merges"]]
    if ignore_merges:  # words that no merge makes
        vocab += [w for w in ("Ġcamel", "Ġsnake", "x", "456", "čĊč", "Ġstr", "ĠDON") if w not in vocab]
    specials = [("<|start|>", CONTROL), ("<|end|>", CONTROL), ("<tool>", USER), ("<tool>s", USER),
                ("\n\n\n\n", USER)]
    first = len(vocab)
    model = models.BPE(vocab={t: i for i, t in enumerate(vocab)}, merges=merges,
                       ignore_merges=ignore_merges)

    def build(special):
        built = Tokenizer(model)
        built.pre_tokenizer = pre_tokenizers.Sequence(BPE[name])
        # All get their numbers; those that do not count are never found.
        for text, kind in specials:
            hidden = kind == CONTROL and not special
            built.add_tokens([AddedToken("\ue000" + text if hidden else text, normalized=False)])
        return built

    built = {special: build(special) for special in (False, True)}
    write_gguf("bpe-" + name, "gpt2", vocab + [text for text, _ in specials],
               [NORMAL] * first + [kind for _, kind in specials],
               merges=[" ".join(m) for m in merges], pre=name,
               keys=[("add_bos_token_id", first), ("add_eos_token_id", first + 1)])
    write_expect("bpe-" + name,
                 lambda text, special: built[special].encode(text, add_special_tokens=False).ids,
                 True)


# ---- SentencePiece-style BPE --------------------------------------------------------------------


# A small table of replacements in place of the 240 KB of nmt_nfkc: source and target characters.
RULES = {
    "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\r": " ", "\r\n": " ", "\u2028": " ",
    "\u00ad": "", "\x07": "", "\ufeff": "", "\u200b": " ", "…": "...", "½": "1⁄2", "²": "2",
    "ﬁ": "fi", "Ⅷ": "VIII", "ｆ": "f", "Ａ": "A", "“": '"', "”": '"', "—": "--", "ǅ": "Dž",
    "e\u0301": "é", "n\u0303": "ñ", "s\u0323": "ṣ", "s\u0323\u0307": "ṩ", "a\u0308": "ä",
    "한": "han", "ﷺ": "صلى الله عليه وسلم",
}


def rules_file():
    file = tempfile.NamedTemporaryFile("w", suffix=".tsv")
    for source, target in RULES.items():
        hexes = [" ".join("%x" % ord(c) for c in text) for text in (source, target)]
        file.write("\t".join(hexes) + "\n")
    file.flush()
    return file


def train_spm(byte_fallback, prefix, symbols, extra_spaces, kind="bpe"):
    model = io.BytesIO()
    with rules_file() as rules:
        normalization = ({"normalization_rule_tsv": rules.name} if kind == "unigram" else
                         {"normalization_rule_name": "identity"})
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus()), model_writer=model, model_type=kind,
            vocab_size=900 if byte_fallback else 700,
            character_coverage=0.99 if byte_fallback else 0.98, byte_fallback=byte_fallback,
            add_dummy_prefix=prefix, remove_extra_whitespaces=extra_spaces, **normalization,
            user_defined_symbols=symbols, split_digits=True, minloglevel=2, num_threads=1,
            allow_whitespace_only_pieces=not extra_spaces)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto


def processor(proto, special):
    copy = sentencepiece_model_pb2.ModelProto()
    copy.CopyFrom(proto)
    if special:  # control symbols in the text are found as user-defined ones are
        for i, piece in enumerate(copy.pieces):
            if piece.type == CONTROL:
                copy.pieces[i].type = USER
    loaded = sentencepiece.SentencePieceProcessor()
    loaded.LoadFromSerializedProto(copy.SerializeToString())
    return loaded


def make_spm(name, byte_fallback, prefix, symbols, extra_spaces=False, kind="bpe"):
    proto = train_spm(byte_fallback, prefix, symbols, extra_spaces, kind)
    specials = {p.piece.replace(SPACE, " "): i for i, p in enumerate(proto.pieces)
                if p.type in (CONTROL, USER, UNKNOWN)}
    plain = processor(proto, False)

    # A special token is the beginning of a text for what follows it: it gets the space that stands
    # before a text again, as in llama.cpp and in transformers' "legacy" tokenizers. SentencePiece
    # itself has no such rule, so the text is cut here.
    def encode(text, special):
        ids, start, at = [], 0, 0
        found = [s for s in specials
                 if special or proto.pieces[specials[s]].type == USER]
        found.sort(key=len, reverse=True)
        if extra_spaces:
            text = " ".join(part for part in text.split(" ") if part)
        while at < len(text):
            hit = next((s for s in found if text.startswith(s, at)), None)
            if hit is None:
                at += 1
                continue
            ids += plain.encode(text[start:at]) + [specials[hit]]
            at += len(hit)
            start = at
        return ids + plain.encode(text[start:])

    texts = [p.piece.replace(SPACE, " ") if p.type == USER else p.piece for p in proto.pieces]
    charsmap = proto.normalizer_spec.precompiled_charsmap
    write_gguf(name, "llama" if kind == "bpe" else "t5", texts, [p.type for p in proto.pieces],
               scores=[p.score for p in proto.pieces], pre="default",
               keys=[("add_bos_token_id", 1), ("add_eos_token_id", 2), ("add_unk_token_id", 0),
                     ("add_add_space_prefix", prefix),
                     ("add_remove_extra_whitespaces", extra_spaces)] +
               ([("add_precompiled_charsmap", charsmap)] if charsmap else []))
    write_expect(name, encode, True)


def main():
    HERE.mkdir(exist_ok=True)
    for name in BPE:
        make_bpe(name)
    runs = ["\n" * n for n in range(1, 6)] + [SPACE * n for n in range(2, 8)] + ["\t\t"]
    make_spm("spm-llama", True, True, ["<tool>"])
    make_spm("spm-gemma", True, False, runs + ["<tool>", "<tool>s", "<b>", "</b>"])
    make_spm("spm-no-bytes", False, True, ["<tool>"], extra_spaces=True)
    make_spm("unigram-t5", False, True, ["<tool>"], extra_spaces=True, kind="unigram")
    make_spm("unigram-bytes", True, True, ["<tool>"], kind="unigram")


if __name__ == "__main__":
    main()
