// Where long texts are cut.
#include "../tools/samara/split.h"
#include "support.h"

#include <string.h>

static void expect(const char *text, size_t most, const char *piece)
{
    size_t cut = split_at(text, strlen(text), most);
    if (cut != strlen(piece) || memcmp(text, piece, cut) != 0)
        fail_msg("\"%s\" at %zu: \"%.*s\" and not \"%s\"", text, most, (int)cut, text, piece);
}

static void the_best_place_is_taken(void **state)
{
    expect("all of it", 9, "all of it");
    expect("all of it", 100, "all of it");
    expect("A line.\n\nAnother. More", 18, "A line.\n\nAnother.");  // the paragraph is too early
    expect("A first line.\n\nMore. More", 20, "A first line.\n\n"); // before a sentence
    expect("It costs 3.50 here. Then we go", 28, "It costs 3.50 here.");
    expect("no stop here\nbut lines", 20, "no stop here\n");
    expect("only some words", 12, "only some");
    expect("unbroken", 5, "unbro");
    expect("\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82\xe5\x95\x8a\xe5\x95\x8a", 14,
           "\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82"); // a full stop without a space behind it
}

static void characters_stay_whole(void **state)
{
    expect("\xe4\xb8\x96\xe7\x95\x8c\xe4\xb8\x96", 7, "\xe4\xb8\x96\xe7\x95\x8c");
    expect("\xf0\x9f\x90\xb1\xf0\x9f\x90\xb1", 6, "\xf0\x9f\x90\xb1");
}

// Whatever the bytes, pieces are not empty and make up the text.
static void cutting_comes_to_an_end(void **state)
{
    char text[500];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        random = random * 1664525u + 1013904223u;
        text[i] = "ab .\n\x80\xe4"[random >> 24 & 7]; // a zero byte too
    }
    for (size_t most = 0; most < 40; most++)
        for (size_t at = 0; at < sizeof text;) {
            size_t cut = split_at(text + at, sizeof text - at, most);
            assert_true(cut > 0 && cut <= sizeof text - at && (cut <= most || cut == 1));
            at += cut;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_place_is_taken),
        cmocka_unit_test(characters_stay_whole),
        cmocka_unit_test(cutting_comes_to_an_end),
    };
    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
