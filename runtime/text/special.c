// special.c - finding the tokens that are cut out of a text before it is encoded.
#include "text/utf8.h"
#include "text/vocab.h"

static bool is_special(uint8_t type)
{
    return type == SMR_TOKEN_CONTROL || type == SMR_TOKEN_USER_DEFINED || type == SMR_TOKEN_UNKNOWN;
}

// The text that a special token is found by. With GGUF's rules spaces are written as spaces here,
// whichever way the file wrote them.
const char *smr_special_text(const struct smr_vocab *vocab, uint32_t token, size_t *size)
{
    bool cut_later = vocab->cuts[token] & SMR_CUT_NORMALIZED;
    return smr_string_table_get(cut_later                 ? &vocab->normalized
                                : vocab->specials_by_text ? &vocab->texts
                                                          : &vocab->bytes,
                                token, size);
}

// What the normalizer makes of the texts that are sought behind it; the others are empty.
bool smr_special_normalize(struct smr_vocab *vocab)
{
    struct smr_string scratch[2];
    struct smr_regex_search *search = smr_regex_search_create(vocab->context);
    vocab->normalized.at = smr_alloc(vocab->context, (size_t)vocab->n_tokens + 1,
                                     sizeof(*vocab->normalized.at), "special tokens");
    bool ok = search && vocab->normalized.at;
    smr_string_init(&scratch[0], vocab->context);
    smr_string_init(&scratch[1], vocab->context);
    for (uint32_t i = 0; ok && i < vocab->n_tokens; i++) {
        size_t size;
        bool first = true, wanted = vocab->cuts[i] & SMR_CUT_NORMALIZED;
        const char *text = smr_string_table_get(&vocab->texts, i, &size);
        if (wanted && vocab->normalizer)
            ok = smr_normalizer_run(vocab->normalizer, search, scratch, &text, &size, &first);
        if (wanted && ok)
            smr_string_add(&vocab->normalized.data, text, size);
        if (vocab->normalized.data.size > INT32_MAX)
            ok = smr_fail(vocab->context, SMR_ERROR_MODEL, "%s: added tokens of more than 2 GiB",
                          vocab->path);
        vocab->normalized.at[i + 1] = (uint32_t)vocab->normalized.data.size;
    }
    smr_string_finish(&scratch[0]);
    smr_string_finish(&scratch[1]);
    smr_regex_search_destroy(search);
    return ok && !vocab->normalized.data.failed;
}

// The tokens that are found in the normalised text, or those that are found in the text as it is.
static bool load(struct smr_vocab *vocab, struct smr_trie_entry *entries, bool normalized,
                 struct smr_trie *trie)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        uint8_t cuts = vocab->cuts[i];
        if (!is_special(vocab->types[i]) || (cuts & SMR_CUT_NEVER) ||
            !(cuts & SMR_CUT_NORMALIZED) == normalized)
            continue;
        struct smr_trie_entry entry = {.value = (int32_t)i};
        entry.text = smr_special_text(vocab, i, &entry.size);
        // What is no UTF-8 could cut a text inside of a character.
        if (entry.size && smr_utf8_valid_prefix(entry.text, entry.size) == entry.size)
            entries[n++] = entry;
    }
    return smr_trie_build(trie, vocab->context, entries, n);
}

bool smr_special_load(struct smr_vocab *vocab)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++)
        n += is_special(vocab->types[i]);
    struct smr_trie_entry *entries =
        smr_alloc(vocab->context, n, sizeof(*entries), "special tokens");
    bool ok = entries && load(vocab, entries, false, &vocab->specials) &&
              load(vocab, entries, true, &vocab->normalized_specials);
    smr_free(vocab->context, entries);
    return ok;
}

// The longest special token at the beginning of `text`, or -1.
static int32_t longest(const struct smr_vocab *vocab, const struct smr_trie *specials, bool control,
                       const char *text, size_t size, size_t *token_size)
{
    int32_t best = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < size && (node = smr_trie_step(specials, node, text[i])); i++) {
        int32_t token = specials->values[node];
        if (token >= 0 && (control || vocab->types[token] == SMR_TOKEN_USER_DEFINED)) {
            best = token;
            *token_size = i + 1;
        }
    }
    return best;
}

// Where the character before `at` begins; its code point.
static size_t step_back(const char *text, size_t at, uint32_t *code)
{
    size_t start = at - 1;
    while (start && ((uint8_t)text[start] & 0xc0) == 0x80)
        start--;
    *code = smr_utf8_decode(text + start, at - start);
    return start;
}

static bool word_before(const char *text, size_t at)
{
    uint32_t code;
    if (!at)
        return false;
    step_back(text, at, &code);
    return smr_is_word(code);
}

static bool word_behind(const char *text, size_t size, size_t at)
{
    size_t n;
    if (at == size)
        return false;
    smr_utf8_next(text + at, size - at, &n);
    return smr_is_word(smr_utf8_decode(text + at, n));
}

static void take_white(uint8_t cuts, const char *text, size_t size, size_t from,
                       struct smr_special_match *match)
{
    uint32_t code;
    size_t n;
    while ((cuts & SMR_CUT_LSTRIP) && match->start > from) {
        size_t start = step_back(text, match->start, &code);
        if (!smr_is_white(code))
            break;
        match->start = start;
    }
    while ((cuts & SMR_CUT_RSTRIP) && match->end < size) {
        smr_utf8_next(text + match->end, size - match->end, &n);
        if (!smr_is_white(smr_utf8_decode(text + match->end, n)))
            break;
        match->end += n;
    }
}

void smr_special_find(const struct smr_vocab *vocab, const struct smr_trie *specials, bool control,
                      const char *text, size_t size, size_t from, struct smr_special_match *match)
{
    for (size_t at = from, n; at < size && specials->n_nodes > 1; at++) {
        int32_t token = longest(vocab, specials, control, text + at, size - at, &n);
        if (token < 0)
            continue;
        uint8_t cuts = vocab->cuts[token];
        if ((cuts & SMR_CUT_SINGLE_WORD) &&
            (word_before(text, at) || word_behind(text, size, at + n))) {
            at += n - 1;
            continue;
        }
        *match = (struct smr_special_match){at, at + n, token};
        take_white(cuts, text, size, from, match);
        return;
    }
    *match = (struct smr_special_match){size, size, -1};
}
