// pretokenizer.c - running the stages of a pre-tokenizer.
#include "text/pretokenizer.h"
#include "text/letters.h"
#include "text/pretokenizer_table.h"

#include <string.h>

struct smr_pretokenizer {
    smr_context *context;
    struct smr_pretokenizer_stage stages[SMR_PRETOKENIZER_MAX_STAGES];
    size_t n_stages;
};

struct smr_pretokenizer *smr_pretokenizer_create(smr_context *context)
{
    struct smr_pretokenizer *pre = smr_alloc(context, 1, sizeof(*pre), "a pre-tokenizer");
    if (pre)
        pre->context = context;
    return pre;
}

void smr_pretokenizer_destroy(struct smr_pretokenizer *pre)
{
    if (!pre)
        return;
    for (size_t i = 0; i < pre->n_stages; i++)
        smr_regex_destroy(pre->stages[i].regex);
    smr_free(pre->context, pre);
}

bool smr_pretokenizer_add(struct smr_pretokenizer *pre, const struct smr_pretokenizer_stage *stage)
{
    if (pre->n_stages == SMR_PRETOKENIZER_MAX_STAGES) {
        smr_regex_destroy(stage->regex);
        return smr_fail(pre->context, SMR_ERROR_MODEL, "a pre-tokenizer of more than %d stages",
                        SMR_PRETOKENIZER_MAX_STAGES);
    }
    pre->stages[pre->n_stages++] = *stage;
    return true;
}

const struct smr_pretokenizer_stage *smr_pretokenizer_stages(const struct smr_pretokenizer *pre,
                                                             size_t *n)
{
    *n = pre ? pre->n_stages : 0;
    return pre ? pre->stages : NULL;
}

bool smr_pretokenizer_drop_letters(struct smr_pretokenizer *pre)
{
    bool there = pre->n_stages && pre->stages[pre->n_stages - 1].kind == SMR_PRE_LETTERS;
    pre->n_stages -= there;
    return there;
}

static const struct smr_pretokenizer_row *find_row(const char *name)
{
    for (size_t i = 0; i < smr_pretokenizer_n_rows; i++)
        if (!strcmp(smr_pretokenizer_rows[i].name, name))
            return &smr_pretokenizer_rows[i];
    return NULL;
}

// The chain of a set; NULL: no memory.
static struct smr_pretokenizer *make(smr_context *context, const struct smr_pretokenizer_set *set)
{
    struct smr_pretokenizer *pre = smr_pretokenizer_create(context);
    if (!pre)
        return NULL;
    for (size_t i = 0; i < SMR_PRE_MAX_PATTERNS && set->patterns[i]; i++) {
        const char *pattern = set->patterns[i];
        struct smr_pretokenizer_stage stage = {
            .regex = smr_regex_create(context, "words", pattern, strlen(pattern))};
        if (!stage.regex || !smr_pretokenizer_add(pre, &stage)) {
            smr_pretokenizer_destroy(pre);
            return NULL;
        }
    }
    return pre;
}

struct smr_pretokenizer *smr_pretokenizer_named(smr_context *context, const char *name,
                                                uint32_t *flags)
{
    const struct smr_pretokenizer_row *row = find_row(name ? name : "default");
    if (!row)
        return NULL;
    *flags = row->flags;
    return make(context, &smr_pretokenizer_sets[row->id]);
}

void smr_pretokenizer_scratch_finish(struct smr_pretokenizer_scratch *scratch)
{
    for (size_t i = 0; i < SMR_PRETOKENIZER_MAX_STAGES; i++)
        smr_string_finish(&scratch->texts[i]);
}

static bool run(const struct smr_splitting *splitting, size_t level, const char *text, size_t size,
                bool first);

// A part of the text on its way through a splitting stage: a match or what lies between two.
struct cutter {
    const struct smr_splitting *splitting;
    const struct smr_pretokenizer_stage *stage;
    size_t level; // of the next stage
    const char *text;
    bool first;
    size_t start, end; // a piece that may still grow
    bool held, match;  // there is one; it ends with a match
};

static bool flush(struct cutter *cutter)
{
    bool held = cutter->held;
    cutter->held = false;
    return !held || run(cutter->splitting, cutter->level, cutter->text + cutter->start,
                        cutter->end - cutter->start, cutter->first && !cutter->start);
}

static bool joins(const struct cutter *cutter, bool match)
{
    switch (cutter->stage->behavior) {
    case SMR_SPLIT_MERGED_WITH_PREVIOUS:
        return match && !cutter->match;
    case SMR_SPLIT_MERGED_WITH_NEXT:
        return !match && cutter->match;
    case SMR_SPLIT_CONTIGUOUS:
        return match == cutter->match;
    default:
        return false;
    }
}

// The next part, which may be empty: an empty match parts what is before it from what is behind.
static bool cut(struct cutter *cutter, size_t start, size_t end, bool match)
{
    match = match != cutter->stage->invert;
    if (cutter->held && joins(cutter, match)) {
        cutter->end = end;
        cutter->match = match;
        return true;
    }
    if (!flush(cutter))
        return false;
    cutter->held = !match || cutter->stage->behavior != SMR_SPLIT_REMOVED;
    cutter->start = start;
    cutter->end = end;
    cutter->match = match;
    return true;
}

static bool split(struct cutter *cutter, size_t size)
{
    const struct smr_splitting *splitting = cutter->splitting;
    size_t at = 0, last_end = SIZE_MAX, start, end;
    for (;;) {
        if (!smr_regex_find(cutter->stage->regex, splitting->search, cutter->text, size, at,
                            last_end, &start, &end))
            return false;
        if (start == SIZE_MAX)
            break;
        if (start > at && !cut(cutter, at, start, false))
            return false;
        if (!cut(cutter, start, end, true))
            return false;
        at = last_end = end;
    }
    return (at == size || cut(cutter, at, size, false)) && flush(cutter);
}

static void metaspace(const struct smr_pretokenizer_stage *stage, const char *text, size_t size,
                      bool first, struct smr_string *out)
{
    size_t n = stage->text_size;
    bool there = text[0] == ' ' || (size >= n && !memcmp(text, stage->text, n));
    bool wanted =
        stage->prepend == SMR_PREPEND_ALWAYS || (stage->prepend == SMR_PREPEND_FIRST && first);
    if (wanted && !there)
        smr_string_add(out, stage->text, n);
    while (size) {
        const char *space = memchr(text, ' ', size);
        size_t before = space ? (size_t)(space - text) : size;
        smr_string_add(out, text, before);
        if (space)
            smr_string_add(out, stage->text, n);
        text += before + !!space;
        size -= before + !!space;
    }
}

static bool run(const struct smr_splitting *splitting, size_t level, const char *text, size_t size,
                bool first)
{
    if (!size)
        return true;
    if (level == splitting->pre->n_stages)
        return splitting->word(splitting->user, text, size);
    const struct smr_pretokenizer_stage *stage = &splitting->pre->stages[level];
    if (stage->kind == SMR_PRE_SPLIT) {
        struct cutter cutter = {splitting, stage, level + 1, text, .first = first};
        return split(&cutter, size);
    }
    struct smr_string *out = &splitting->scratch->texts[level];
    if (!out->context)
        smr_string_init(out, splitting->pre->context);
    out->size = 0;
    if (stage->kind == SMR_PRE_METASPACE) {
        metaspace(stage, text, size, first, out);
    } else if (stage->kind == SMR_PRE_PREFIX_SPACE) {
        if (text[0] != ' ')
            smr_string_add(out, " ", 1);
        smr_string_add(out, text, size);
    } else {
        smr_letters_add(text, size, out);
    }
    return !out->failed && run(splitting, level + 1, out->data, out->size, first);
}

bool smr_pretokenizer_split(const struct smr_splitting *splitting, const char *text, size_t size,
                            bool first)
{
    return run(splitting, 0, text, size, first);
}

// ---- names ------------------------------------------------------------------------------------

static bool add_word(void *user, const char *word, size_t size)
{
    struct smr_string *words = user;
    smr_string_add(words, word, size);
    smr_string_add(words, "", 1); // a zero between words
    return !words->failed;
}

// What a chain makes of the probe: its words, with zeros between.
static bool probe(smr_context *context, const struct smr_pretokenizer *pre,
                  struct smr_string *words)
{
    struct smr_pretokenizer_scratch scratch = {0};
    struct smr_splitting splitting = {.pre = pre,
                                      .search = smr_regex_search_create(context),
                                      .scratch = &scratch,
                                      .word = add_word,
                                      .user = words};
    words->size = 0;
    bool ok = splitting.search && smr_pretokenizer_split(&splitting, smr_pretokenizer_probe,
                                                         strlen(smr_pretokenizer_probe), true);
    smr_regex_search_destroy(splitting.search);
    smr_pretokenizer_scratch_finish(&scratch);
    return ok;
}

static bool same_words(smr_context *context, const struct smr_pretokenizer_set *set,
                       const struct smr_string *wanted, bool *same)
{
    struct smr_string words;
    struct smr_pretokenizer *pre = make(context, set);
    smr_string_init(&words, context);
    bool ok = pre && probe(context, pre, &words);
    *same = ok && words.size == wanted->size && !memcmp(words.data, wanted->data, words.size);
    smr_string_finish(&words);
    smr_pretokenizer_destroy(pre);
    return ok;
}

bool smr_pretokenizer_name(smr_context *context, const struct smr_pretokenizer *pre, uint32_t flags,
                           const char **name)
{
    struct smr_string wanted;
    uint32_t tried = 0; // bits of smr_pretokenizer_id
    smr_string_init(&wanted, context);
    bool same = false, ok = probe(context, pre, &wanted);
    *name = NULL;
    for (size_t i = 0; ok && !*name && i < smr_pretokenizer_n_rows; i++) {
        const struct smr_pretokenizer_row *row = &smr_pretokenizer_rows[i];
        bool fits = (row->flags & SMR_PRE_IGNORE_MERGES) == flags && row->id != SMR_PRE_DEFAULT;
        if (!fits || (tried & 1U << row->id))
            continue;
        ok = same_words(context, &smr_pretokenizer_sets[row->id], &wanted, &same);
        tried |= 1U << row->id;
        *name = same ? row->name : NULL;
    }
    smr_string_finish(&wanted);
    return ok;
}
