// test_devices.c - GPUs that several drivers reach are known to be one, and shown once: with devices
// that are made up.
#include "devices.h"
#include "support.h"

#include "base/base.h"
#include "device/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- telling hardware apart ---------------------------------------------------------------------

enum { V = SMR_BACKEND_VULKAN, O = SMR_BACKEND_OPENCL, MOST = 6 };
#define ANY UINT32_MAX

struct made_up { // one device; uuid 0: none; bus 0: none
    uint32_t backend;
    uint8_t uuid;
    uint32_t domain, bus, device, function;
};

static const struct {
    const char *what;
    size_t n;
    struct made_up devices[MOST];
    uint32_t groups[MOST];
} cases[] = {
    {"nothing is known: not by being alike", 2, {{V}, {O}}, {0, 1}},
    {"one UUID", 2, {{V, 7}, {O, 7}}, {0, 0}},
    {"two UUIDs", 3, {{V, 7}, {O, 8}, {O, 7}}, {0, 1, 0}},
    {"one place", 2, {{V, 0, 0, 3}, {O, 0, 0, 3}}, {0, 0}},
    {"place without a domain", 2, {{V, 0, 1, 3}, {O, 0, ANY, 3}}, {0, 0}},
    {"places that differ in one number each",
     5,
     {{V, 0, 0, 3}, {O, 0, 1, 3}, {O, 0, 0, 4}, {O, 0, 0, 3, 1}, {O, 0, 0, 3, 0, 1}},
     {0, 1, 2, 3, 4}},
    {"UUIDs made up in two ways, one place", 2, {{V, 7, 0, 3}, {O, 9, 0, 3}}, {0, 0}},
    {"one UUID for all cards of a kind",
     4,
     {{V, 7, 0, 3}, {V, 7, 0, 4}, {O, 7, 0, 4}, {O, 7, 0, 3}},
     {0, 1, 1, 0}},
    {"UUID here, place there", 2, {{V, 7}, {O, 0, 0, 3}}, {0, 1}},
    {"parts of one card", 3, {{V, 1, 0, 3}, {O, 5, 0, 3}, {O, 6, 0, 3}}, {0, 0, 2}},
    {"parts of one card, whose first is the whole",
     3,
     {{O, 5, 0, 3}, {O, 6, 0, 3}, {V, 6, 0, 3}},
     {0, 1, 0}},
    {"three drivers", 4, {{V, 7, 0, 3}, {V, 0, 0, 5}, {O, 7}, {O, 0, 0, 3}}, {0, 1, 0, 0}},
    {"one", 1, {{V, 7}}, {0}},
    {"none", 0, {{0}}, {0}},
};

static void test_groups(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct smr_identity identities[MOST] = {{0}};
        uint32_t groups[MOST] = {0};
        for (size_t k = 0; k < cases[i].n; k++) {
            const struct made_up *from = &cases[i].devices[k];
            const uint8_t uuid[16] = {0, 1 * (from->uuid != 0), [15] = from->uuid};
            identities[k].backend = from->backend;
            smr_identity_set_uuid(&identities[k], uuid);
            if (from->bus)
                smr_identity_set_pci(&identities[k],
                                     &(struct smr_pci_address){from->domain, from->bus,
                                                               from->device, from->function});
        }
        smr_identity_group(identities, cases[i].n, groups);
        for (size_t k = 0; k < cases[i].n; k++)
            if (groups[k] != cases[i].groups[k])
                fail_msg("%s: device %zu is in group %u, not %u", cases[i].what, k, groups[k],
                         cases[i].groups[k]);
    }
}

// ---- showing ------------------------------------------------------------------------------------

static const struct smr_device_info infos[] = {
    {.id = "vulkan0",
     .name = "Card",
     .driver = "V 1",
     .usable = true,
     .is_default = true,
     .reason = "the only GPU",
     .memory = 1000,
     .hardware = 0},
    {.id = "opencl1",
     .name = "CARD-17",
     .driver = "O 2",
     .backend = SMR_BACKEND_OPENCL,
     .usable = true,
     .hardware = 0},
    {.id = "opencl0",
     .name = "Processor",
     .driver = "P 3",
     .backend = SMR_BACKEND_OPENCL,
     .type = SMR_DEVICE_CPU,
     .usable = true,
     .n_threads = 4,
     .hardware = 2},
    {.id = "opencl2",
     .name = "Card",
     .driver = "Old 4",
     .backend = SMR_BACKEND_OPENCL,
     .reason = "too old",
     .hardware = 0},
};

static void test_text(void **state)
{
    static const char expected[] = "vulkan0, opencl1, opencl2  Card  (default)\n"
                                   "  type     graphics card\n"
                                   "  driver   V 1 (vulkan0)\n"
                                   "           O 2 (opencl1)\n"
                                   "           Old 4 (opencl2), not usable: too old\n"
                                   "  memory   1.0 kB\n"
                                   "  because  the only GPU\n"
                                   "opencl0  Processor\n"
                                   "  type     processor\n"
                                   "  driver   P 3\n";
    char text[1024] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    assert_true(before >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    devices_print(infos, SMR_COUNT(infos));
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    assert_string_equal(text, expected);
}

static const char *text_of(const json_t *list, size_t i, size_t k)
{
    return json_string_value(
        json_array_get(json_object_get(json_array_get(list, i), "same_hardware"), k));
}

static void test_json(void **state)
{
    json_t *list = devices_json(infos, SMR_COUNT(infos));
    assert_int_equal(json_array_size(list), SMR_COUNT(infos));
    assert_string_equal(text_of(list, 0, 0), "opencl1");
    assert_string_equal(text_of(list, 0, 1), "opencl2");
    assert_string_equal(text_of(list, 1, 0), "vulkan0");
    assert_null(text_of(list, 2, 0));
    assert_string_equal(text_of(list, 3, 1), "opencl1");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 2), "threads")), 4);
    json_decref(list);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
