// charsmap.c - looking up what stands for a character.
#include "text/charsmap.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>

struct smr_charsmap {
    smr_context *context;
    uint8_t *data;       // owned: the trie, the replacements, a zero
    size_t n_units;      // of the trie
    const char *strings; // replacements; valid UTF-8
    size_t strings_size; // bytes, with the zero at the end
};

static uint32_t unit(const struct smr_charsmap *map, size_t i)
{
    const uint8_t *at = map->data + i * 4;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

struct smr_charsmap *smr_charsmap_create(smr_context *context, const char *name, const void *data,
                                         size_t size)
{
    const uint8_t *bytes = data;
    size_t trie_size = size < 4 ? 0
                                : (size_t)bytes[0] | (size_t)bytes[1] << 8 |
                                      (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    if (!trie_size || trie_size % 4 || trie_size > size - 4) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: %zu bytes with a trie of %zu: damaged", name, size,
                 trie_size);
        return NULL;
    }
    size_t strings_size = size - 4 - trie_size;
    const char *strings = (const char *)bytes + 4 + trie_size;
    if (smr_utf8_valid_prefix(strings, strings_size) != strings_size) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: replacements that are no UTF-8", name);
        return NULL;
    }
    struct smr_charsmap *map = smr_alloc(context, 1, sizeof(*map), "a charsmap");
    if (!map)
        return NULL;
    map->context = context;
    map->data = smr_alloc(context, size - 4 + 1, 1, "a charsmap");
    if (!map->data) {
        smr_free(context, map);
        return NULL;
    }
    memcpy(map->data, bytes + 4, size - 4);
    map->n_units = trie_size / 4;
    map->strings = (const char *)map->data + trie_size;
    map->strings_size = strings_size + 1;
    return map;
}

void smr_charsmap_destroy(struct smr_charsmap *map)
{
    if (!map)
        return;
    smr_free(map->context, map->data);
    smr_free(map->context, map);
}

const void *smr_charsmap_data(const struct smr_charsmap *map, uint32_t *trie_size, size_t *size)
{
    *trie_size = (uint32_t)map->n_units * 4;
    *size = *trie_size + map->strings_size - 1;
    return map->data;
}

// The longest or shortest text of the table that `text` begins with. Returns its bytes, 0 when there
// is none.
static size_t find(const struct smr_charsmap *map, const char *text, size_t size, bool longest,
                   const char **replacement)
{
    size_t found = 0, node = 0;
    uint32_t value = unit(map, 0);
    for (size_t i = 0; i < size; i++) {
        // The bits of a unit: 0 to 7 label, 8 has a value, 9 offset is times 256, 10 to 30 offset,
        // 31 is a value.
        node ^= (size_t)(value >> 10) << ((value & 1U << 9) >> 6);
        node ^= (uint8_t)text[i];
        if (node >= map->n_units)
            break;
        value = unit(map, node);
        if ((value & (1U << 31 | 0xff)) != (uint8_t)text[i])
            break;
        if (!(value & 1U << 8))
            continue;
        size_t leaf = node ^ (size_t)(value >> 10) << ((value & 1U << 9) >> 6);
        uint32_t at = leaf < map->n_units ? unit(map, leaf) & ~(1U << 31) : UINT32_MAX;
        // A place inside of a character is damage, and would make the text invalid.
        if (at >= map->strings_size || ((uint8_t)map->strings[at] & 0xc0) == 0x80)
            continue;
        *replacement = map->strings + at;
        found = i + 1;
        if (!longest)
            break;
    }
    return found;
}

static void run_longest(const struct smr_charsmap *map, const char *text, size_t size,
                        struct smr_string *out)
{
    for (size_t at = 0, n; at < size; at += n) {
        const char *replacement;
        n = find(map, text + at, size - at, true, &replacement);
        // A text of the table that ends inside of a character is damage as well.
        if (n && smr_utf8_valid_prefix(text + at, n) == n) {
            smr_string_add(out, replacement, strlen(replacement));
        } else {
            smr_utf8_next(text + at, size - at, &n);
            smr_string_add(out, text + at, n);
        }
    }
}

static void run_graphemes(const struct smr_charsmap *map, const char *text, size_t size,
                          struct smr_string *out)
{
    const char *replacement;
    for (size_t at = 0, n, n_char; at < size; at += n) {
        n = smr_grapheme_size(text + at, size - at);
        if (n < 6 && find(map, text + at, n, false, &replacement)) {
            smr_string_add(out, replacement, strlen(replacement));
            continue;
        }
        for (size_t i = at; i < at + n; i += n_char) {
            smr_utf8_next(text + i, size - i, &n_char);
            if (find(map, text + i, n_char, false, &replacement))
                smr_string_add(out, replacement, strlen(replacement));
            else
                smr_string_add(out, text + i, n_char);
        }
    }
}

void smr_charsmap_run(const struct smr_charsmap *map, enum smr_charsmap_match match,
                      const char *text, size_t size, struct smr_string *out)
{
    if (match == SMR_CHARSMAP_GRAPHEME)
        run_graphemes(map, text, size, out);
    else
        run_longest(map, text, size, out);
}
