// facts.c - from what the driver tells of a kernel to numbers.
#include "isa.h"

#include <stdlib.h>
#include <string.h>

// What Mesa calls its statistics, and where their values go. Several of one field are added up.
static const struct statistic {
    const char *name;
    size_t offset;
} statistics[] = {
    {"VGPRs", offsetof(struct facts, registers)},
    {"SGPRs", offsetof(struct facts, scalar_registers)},
    {"Spilled SGPRs", offsetof(struct facts, spills)},
    {"Spilled VGPRs", offsetof(struct facts, spills)},
    {"Scratch size", offsetof(struct facts, scratch_size)},
    {"Subgroups per SIMD", offsetof(struct facts, n_subgroups)},
    {"LDS size", offsetof(struct facts, shared_size)},
    {"Instructions", offsetof(struct facts, n_instructions)},
    // ANV's
    {"Max live registers", offsetof(struct facts, registers)},
    {"Spill Count", offsetof(struct facts, spills)},
    {"Fill Count", offsetof(struct facts, spills)},
    {"Scratch Memory Size", offsetof(struct facts, scratch_size)},
    {"Workgroup Memory Size", offsetof(struct facts, shared_size)},
    {"Instruction Count", offsetof(struct facts, n_instructions)},
};

// "NAME: VALUE" at `line`.
static void read_statistic(const char *line, size_t size, struct facts *facts)
{
    for (size_t i = 0; i < SMR_COUNT(statistics); i++) {
        const size_t n = strlen(statistics[i].name);
        if (size > n + 1 && !memcmp(line, statistics[i].name, n) && line[n] == ':')
            *(uint32_t *)((char *)facts + statistics[i].offset) +=
                (uint32_t)strtoul(line + n + 1, NULL, 10);
    }
}

const char *disassembly_find(const char *text, size_t *size)
{
    const char *begin = strstr(text, " Assembly\n"); // "GEN Assembly"
    const char *head = strstr(text, "---- Assembly\n");
    if (head && (!begin || head < begin))
        begin = head + strlen("----");
    if (!begin)
        return NULL;
    begin = strchr(begin, '\n') + 1;
    const char *end = strstr(begin, "\n---- ");
    *size = end ? (size_t)(end - begin) : strlen(begin);
    return begin;
}

bool facts_read(const struct account *account, struct facts *facts)
{
    const char *text = account->text;
    static const char mark[] = ", subgroup size ";
    *facts = (struct facts){0};
    const char *subgroup = strstr(text, mark);
    if (!subgroup)
        return false;
    facts->subgroup_size = (uint32_t)strtoul(subgroup + sizeof mark - 1, NULL, 10);
    // Statistics end where the first text begins, or the next part.
    for (const char *line = strchr(text, '\n'); line && line[1] && line[1] != '[';) {
        line++;
        const size_t size = strcspn(line, "\n");
        if (!strncmp(line, "---- ", 5))
            break;
        read_statistic(line, size, facts);
        line = line[size] ? line + size : NULL;
    }
    struct disassembly code = {.isa = account->isa, .innermost = account->innermost};
    code.text = disassembly_find(text, &code.size);
    return facts->n_instructions && (!code.text || disassembly_loop(&code, &facts->loop));
}
