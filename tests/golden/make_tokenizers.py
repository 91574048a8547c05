#!/usr/bin/env python3
"""Make tests/golden/tokenizers/: tiny vocabularies and what other tokenizers make of many lines.

Byte-level BPE is trained and encoded by Hugging Face's tokenizers, SentencePiece-style BPE and Unigram
by Google's sentencepiece, all on the text made up below. Files hold a vocabulary and no weights.
The trainers of Unigram and WordPiece give another vocabulary each time.

    pip install tokenizers sentencepiece gguf
    python make_tokenizers.py

A real tokenizer.json against Hugging Face's tokenizers, on 10,000 lines of mixed text:

    python make_tokenizers.py --real MODEL/tokenizer.json FOLDER && build/tests/test_tokenizers FOLDER

Format of NAME.expect: a line `text: ...`, then what becomes of it: `plain: ids`, `special: ids`
(special tokens in the text are what they say), both without tokens around the text, `around: ids`
(special, with those), `decoded: ...` (the text of the ids before). In a text, `\\\\`, `\\n`, `\\r` and
`\\xHH` (a byte) are escapes.
"""

import io
import itertools
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ["RAYON_NUM_THREADS"] = "1"  # trains the same vocabulary every time

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

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


# Ranges of code points of many scripts, symbols and controls.
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
          (0x531, 0x587), (0x590, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x900, 0x97F),
          (0x980, 0x9FB), (0xA00, 0xA76), (0xB80, 0xBFA), (0xC00, 0xC7F), (0xD05, 0xD39),
          (0xE00, 0xE5B), (0xE80, 0xEDF), (0xF00, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF),
          (0x1100, 0x11FF), (0x1200, 0x137C), (0x1780, 0x17F9), (0x1800, 0x18AA), (0x1E00, 0x1FFE),
          (0x2000, 0x206F), (0x2070, 0x209C), (0x20A0, 0x20BF), (0x2100, 0x218B), (0x2190, 0x23FF),
          (0x2400, 0x24FF), (0x2500, 0x27BF), (0x2E80, 0x2FD5), (0x3000, 0x30FF), (0x3131, 0x33FF),
          (0x4E00, 0x9FA5), (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFB00, 0xFDFD),
          (0xFE00, 0xFE6B), (0xFF01, 0xFFEE), (0x10400, 0x1044F), (0x1D400, 0x1D7FF),
          (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6D5), (0x20000, 0x2A6D6),
          (0xE0020, 0xE007F), (0xE000, 0xE0FF)]
EMOJI = ["👨‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍💻", "🇩🇪🇫🇷", "☎️", "1️⃣", "🤷🏿‍♀️", "❤️‍🔥", "😀😀😀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]


def mixed_line(rng):
    kind = rng.randrange(12)
    if kind < 4:
        return line(rng, rng.randint(1, 25), 0.25)
    if kind < 6:  # one script
        low, high = rng.choice(RANGES)
        return "".join(chr(rng.randint(low, high)) + rng.choice(["", "", "", " "])
                       for _ in range(rng.randint(1, 40)))
    if kind == 6:  # all scripts
        return "".join(chr(rng.randint(*rng.choice(RANGES))) for _ in range(rng.randint(1, 60)))
    if kind == 7:  # controls and spaces
        return "".join(rng.choice([chr(rng.randint(0, 0x20)), chr(rng.randint(0x7F, 0xA0)), " ",
                                   "  ", "\t", "\r\n", "\u2028", "\u200b", "\ufeff", "\u3000", "a",
                                   word(rng)]) for _ in range(rng.randint(1, 30)))
    if kind == 8:  # letters under heaps of marks
        return "".join(rng.choice("aeiouyAEIOUncszgöüкий") +
                       "".join(chr(rng.randint(0x300, 0x36F)) for _ in range(rng.randint(0, 4))) +
                       rng.choice(["", " "]) for _ in range(rng.randint(1, 20)))
    if kind == 9:
        return "".join(rng.choice(EMOJI + PIECES) + rng.choice(["", "", " ", "\u200d", "\ufe0f"])
                       for _ in range(rng.randint(1, 12)))
    if kind == 10:  # punctuation
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~…—“”«»¿¡ ▁▁") * rng.randint(1, 5)
                       for _ in range(rng.randint(1, 20)))
    return "".join(rng.choice(SYLLABLES[rng.choice(list(SYLLABLES))]) for _ in
                   range(rng.randint(50, 400))) + " " * rng.randint(0, 40)


def mixed_lines(n):
    """`n` lines of anything, the same every time."""
    rng = random.Random(10)
    return [mixed_line(rng) for _ in range(n)]


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


def write_files(name, files):
    """Tokenizer files as they are, under the keys that a folder's get."""
    writer = gguf.GGUFWriter(HERE / (name + ".gguf"), "llama")
    writer.add_name(name)
    for key, data in files:
        writer.add_string(key, data)
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
    proto.normalizer_spec.ClearField("normalization_rule_tsv")  # the name of a file that is gone
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
    if name.startswith("model-"):  # the file itself
        write_files(name, [("tokenizer.sentencepiece.model", proto.SerializeToString())])
        return write_expect(name, encode, True)
    write_gguf(name, "llama" if kind == "bpe" else "t5", texts, [p.type for p in proto.pieces],
               scores=[p.score for p in proto.pieces], pre="default",
               keys=[("add_bos_token_id", 1), ("add_eos_token_id", 2), ("add_unk_token_id", 0),
                     ("add_add_space_prefix", prefix),
                     ("add_remove_extra_whitespaces", extra_spaces)] +
               ([("add_precompiled_charsmap", charsmap)] if charsmap else []))
    write_expect(name, encode, True)


# ---- tokenizer.json -----------------------------------------------------------------------------


def write_json(folder, name, text, lines):
    """A GGUF file that has nothing but a tokenizer.json, and what tokenizers makes of `lines`."""
    writer = gguf.GGUFWriter(folder / (name + ".gguf"), "llama")
    writer.add_name(name)
    writer.add_string("tokenizer.huggingface.json", text)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    plain = Tokenizer.from_str(text)
    plain.no_truncation()
    plain.no_padding()
    plain.encode_special_tokens = True
    decoder = tokenizer.get_added_tokens_decoder()
    special = [token.content for token in decoder.values() if token.special]
    # The same goes for its tokens of bytes.
    spelled = "<0x" if '"byte_fallback":true' in text and "Unigram" in text else None
    out = io.StringIO()
    for text in lines:
        if spelled and spelled in text:
            continue
        out.write("text: %s\n" % escape(text.encode()))
        if any(content in text for content in special):
            # A Unigram model finds control tokens that are its pieces; samara does not.
            ids = plain.encode(text, add_special_tokens=False).ids
            if not any(decoder[i].special for i in ids if i in decoder):
                out.write(" ".join(["plain:"] + [str(i) for i in ids]) + "\n")
        # Where the text begins with what stands before a text, samara does not say it again.
        around = not text.startswith(tuple(special))
        ids = tokenizer.encode(text, add_special_tokens=around).ids
        kind = "around:" if around else "special:"
        out.write(" ".join([kind] + [str(i) for i in ids]) + "\n")
        decoded = tokenizer.decode(ids)
        # A run of bytes that is no UTF-8 is U+FFFD for each byte there, but for characters here.
        if "\ufffd" not in decoded or "\ufffd" in text:
            out.write("decoded: %s\n" % escape(decoded.encode()))
    (folder / (name + ".expect")).write_text(out.getvalue(), newline="\n")


def trained(model, trainer, **stages):
    tokenizer = Tokenizer(model)
    for name, stage in stages.items():
        setattr(tokenizer, name, stage)
    tokenizer.train_from_iterator(corpus(), trainer)
    if not isinstance(model, models.Unigram):
        return tokenizer
    # tokenizers does not read all digits of long numbers right, which decides between equal sums.
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = [[text, round(score, 5)] for text, score in state["model"]["vocab"]]
    return Tokenizer.from_str(json.dumps(state))


def special(*texts):
    return [AddedToken(text, normalized=False, special=True) for text in texts]


def json_t5():
    """As T5's: Unigram behind SentencePiece's table of replacements."""
    table = train_spm(False, True, [], True, "unigram").normalizer_spec.precompiled_charsmap
    normalizer = normalizers.Sequence([normalizers.Precompiled(table),
                                       normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer = trained(
        models.Unigram(), trainers.UnigramTrainer(
            vocab_size=400, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
            show_progress=False),
        normalizer=normalizer, pre_tokenizer=pre_tokenizers.Metaspace(),
        decoder=decoders.Metaspace())
    tokenizer.add_special_tokens(special("<pad>", "</s>", "<unk>", "<extra_id_0>", "<s>"))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("Ä", single_word=True),
                          AddedToken("qua", normalized=True, single_word=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def json_unigram_bytes():
    """As XLM-R's and newer ones': NMT's rules, NFKC, and bytes for what is unknown."""
    tokenizer = trained(
        models.Unigram(), trainers.UnigramTrainer(
            vocab_size=900, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>",
            show_progress=False),
        normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                         normalizers.Strip(True, True)]),
        pre_tokenizer=pre_tokenizers.Sequence([
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(prepend_scheme="first", split=False)]),
        decoder=decoders.Metaspace())
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] += [["<0x%02X>" % i, -12.0] for i in range(256)]
    state["model"]["byte_fallback"] = True
    state["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "ByteFallback"}, {"type": "Metaspace", "replacement": SPACE,
                                   "prepend_scheme": "always", "split": True}]}
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens(special("<s>", "<pad>", "</s>", "<unk>"))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def json_byte_level():
    """As BART's: byte-level BPE in RoBERTa's frame."""
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = trained(
        models.BPE(unk_token="<unk>"), trainers.BpeTrainer(
            vocab_size=500, special_tokens=names, show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())),
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True), decoder=decoders.ByteLevel())
    tokenizer.add_special_tokens(special(*names))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.add_tokens([AddedToken("<tool>", rstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def json_split():
    """As Qwen's: NFC, a published expression, byte-level BPE."""
    tokenizer = trained(
        models.BPE(), trainers.BpeTrainer(
            vocab_size=480, show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())),
        normalizer=normalizers.NFC(), pre_tokenizer=pre_tokenizers.Sequence(BPE["qwen2"]),
        decoder=decoders.ByteLevel())
    tokenizer.add_special_tokens(special("<|start|>", "<|end|>"))
    return tokenizer


def json_fallback(legacy):
    """As Llama 2's or Gemma's: BPE of characters with bytes for those that are unknown."""
    names = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    tokenizer = trained(
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True), trainers.BpeTrainer(
            vocab_size=600, special_tokens=names, limit_alphabet=60, show_progress=False),
        normalizer=normalizers.Replace(" ", SPACE),
        pre_tokenizer=pre_tokenizers.Split(SPACE, "merged_with_next"))
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = []
    replace = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    tail = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if legacy:
        state["normalizer"] = {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": SPACE},
            {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]}
        state["pre_tokenizer"] = None
        tail.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    else:
        state["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
        state["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "},
                                  "behavior": "MergedWithPrevious", "invert": False}
    state["decoder"] = {"type": "Sequence", "decoders": tail}
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>"))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def json_wordpiece():
    """As BERT's."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60), trainers.WordPieceTrainer(
            vocab_size=700, special_tokens=names, limit_alphabet=200, show_progress=False),
        normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece())
    tokenizer.add_special_tokens(special(*names))
    tokenizer.add_tokens([AddedToken("HTTPServer", normalized=True)])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def json_words():
    """Components that the others lack."""
    tokenizer = trained(
        models.WordPiece(unk_token="[UNK]", continuing_subword_prefix="@@"),
        trainers.WordPieceTrainer(vocab_size=600, special_tokens=["[UNK]"], limit_alphabet=150,
                                  continuing_subword_prefix="@@", show_progress=False),
        normalizer=normalizers.Sequence([
            normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(),
            normalizers.Replace(Regex(r"(?<=\d)\.(?=\d)|\s*-+"), "·")]),
        pre_tokenizer=pre_tokenizers.Sequence([
            pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split(Regex(r"[aeiou]\w"), "merged_with_previous"),
            pre_tokenizers.Split(Regex(r"^\h+$|(?=t)"), "isolated", invert=False)]),
        decoder=decoders.WordPiece("@@", cleanup=False))
    return tokenizer


JSON = {
    "json-t5": json_t5,
    "json-unigram-bytes": json_unigram_bytes,
    "json-bart": json_byte_level,
    "json-qwen": json_split,
    "json-llama": lambda: json_fallback(True),
    "json-gemma": lambda: json_fallback(False),
    "json-bert": json_wordpiece,
    "json-words": json_words,
}


def make_merges():
    """vocab.json and merges.txt, as in folders of BART."""
    state = json.loads(json_byte_level().to_str())
    model = state["model"]
    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"])
    write_files("files-merges", [("tokenizer.huggingface.vocab", json.dumps(model["vocab"])),
                                 ("tokenizer.huggingface.merges", merges)])
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"],
                                     merges=[tuple(m) for m in model["merges"]]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    write_expect("files-merges", lambda text, special: tokenizer.encode(
        text, add_special_tokens=False).ids, False)


def make_marian():
    """A SentencePiece model whose pieces get other numbers from a vocab.json."""
    proto = train_spm(False, True, [], True, "unigram")
    texts = [p.piece for p in proto.pieces if p.type == NORMAL]
    texts += [SPACE + "only", "zweite", "Sprache"]
    random.Random(3).shuffle(texts)
    numbers = {text: i for i, text in enumerate(["</s>", "<unk>"] + texts + [">>de<<", "<pad>"])}
    write_files("files-marian", [("tokenizer.sentencepiece.model", proto.SerializeToString()),
                                 ("tokenizer.marian.vocab", json.dumps(numbers))])
    plain = processor(proto, False)
    write_expect("files-marian", lambda text, special: [
        numbers.get(piece, numbers["<unk>"]) for piece in plain.encode(text, out_type=str)], False)


def make_json(name):
    lines = test_lines(True)[::3] + mixed_lines(90)
    lines = [text + rng_text for text, rng_text in zip(lines, itertools.cycle(
        ["", "", "", " [MASK]", "<mask> a", "  <mask>", "<s>b", "<tool>  c", " </s> ", "Ä ä", "qua",
         "httpserver", "<extra_id_0>."]))]
    write_json(HERE, name, JSON[name]().to_str(), lines)


def make_real(path, folder):
    """A real tokenizer.json on 10,000 lines."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder, "real", path.read_text(), mixed_lines(10000))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--real":
        return make_real(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    HERE.mkdir(exist_ok=True)
    for name in BPE:
        make_bpe(name)
    for name in JSON:
        make_json(name)
    make_merges()
    make_marian()
    runs = ["\n" * n for n in range(1, 6)] + [SPACE * n for n in range(2, 8)] + ["\t\t"]
    make_spm("spm-llama", True, True, ["<tool>"])
    make_spm("spm-gemma", True, False, runs + ["<tool>", "<tool>s", "<b>", "</b>"])
    make_spm("spm-no-bytes", False, True, ["<tool>"], extra_spaces=True)
    make_spm("unigram-t5", False, True, ["<tool>"], extra_spaces=True, kind="unigram")
    make_spm("model-unigram", False, True, ["<tool>"], extra_spaces=True, kind="unigram")
    make_spm("model-bpe", True, True, ["<tool>"])
    make_spm("unigram-bytes", True, True, ["<tool>"], kind="unigram")


if __name__ == "__main__":
    main()
