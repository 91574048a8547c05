// registry.c - the rows of most kernels; registry.h says where the others are.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

#include <assert.h>
#include <string.h>

// ---- what rows share --------------------------------------------------------------------------

const enum smr_type smr_types_f32[1] = {SMR_F32};
const enum smr_type smr_types_cache[3] = {SMR_F32, SMR_F16, SMR_Q8_0};

const struct smr_variant smr_variants_plain[1] = {{.name = "plain", .defines = ""}};
const struct smr_variant smr_variants_subgroup[2] = {
    {.name = "plain", .defines = ""},
    {
        .name = "subgroup",
        .defines = "#define USE_SUBGROUP 1\n",
        .capabilities = SMR_CAP_SUBGROUP,
        .gpu = true, // a processor gains nothing, and compiles longer
    },
};

const struct smr_variant smr_variants_runs[2] = {
    {.name = "plain", .defines = ""},
    {.name = "runs", .defines = "#define USE_RUNS 1\n"},
};
const struct smr_variant smr_variants_reduce[3] = {
    {.name = "plain", .defines = ""},
    {
        .name = "subgroup",
        .defines = "#define USE_SUBGROUP 1\n",
        .capabilities = SMR_CAP_SUBGROUP,
        .gpu = true,
    },
    {.name = "runs", .defines = "#define USE_RUNS 1\n"},
};

bool smr_is_runs(const struct smr_kernel_key *key)
{
    return !strcmp(smr_kernel_desc(key->id)->variants[key->variant].name, "runs");
}

bool smr_size_specialise(struct smr_kernel_key *key, const struct smr_limits *limits, uint32_t gpu,
                         uint32_t cpu)
{
    const bool runs = smr_is_runs(key);
    key->constants[0] = runs ? 1 : smr_workgroup_size_for(limits, gpu, cpu);
    return !runs || smr_limits_want_runs(limits);
}

uint32_t smr_workgroup_size(const struct smr_limits *limits, uint32_t wanted)
{
    uint32_t most = smr_min_u32(wanted, limits->max_invocations);
    most = smr_min_u32(most, limits->max_workgroup_size[0]);
    uint32_t size = 1;
    while (size <= most / 2)
        size *= 2;
    return size;
}

uint32_t smr_workgroup_size_for(const struct smr_limits *limits, uint32_t gpu, uint32_t cpu)
{
    return smr_workgroup_size(limits, limits->cpu ? smr_max_u32(cpu, limits->subgroup_size) : gpu);
}

bool smr_limits_want_runs(const struct smr_limits *limits)
{
    return limits->cpu && !(limits->capabilities & SMR_CAP_SUBGROUP);
}

void smr_spread_groups(uint64_t n, uint32_t groups[3])
{
    const uint64_t most = 65535;
    groups[0] = (uint32_t)(n < most ? n : most);
    groups[1] = (uint32_t)((n + most - 1) / most);
    groups[2] = 1;
    if (!n)
        groups[0] = groups[1] = 1;
}

uint32_t smr_cache_size(enum smr_type type, uint32_t n)
{
    switch (type) {
    case SMR_F32:
        return 4 * n;
    case SMR_F16:
        return 2 * n;
    case SMR_Q8_0:
        return n / 32 * 36;
    default:
        assert(!"not a type of the KV cache");
        return 0;
    }
}

bool smr_cache_type_fits(enum smr_type type, uint32_t head_dim)
{
    switch (type) {
    case SMR_F32:
        return true;
    case SMR_F16:
        return head_dim % 2 == 0;
    case SMR_Q8_0:
        return head_dim % 32 == 0;
    default:
        return false;
    }
}

// ---- norm -------------------------------------------------------------------------------------

static bool norm_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const void *push)
{
    const struct smr_norm_push *p = push;
    // A few elements for each invocation; a head's norm wants a small workgroup.
    uint32_t wanted = p->n_cols <= 128 ? 32 : p->n_cols <= 512 ? 64 : 256;
    return smr_size_specialise(key, limits, wanted, 1);
}

static void norm_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_norm_push *p = push;
    smr_spread_groups((uint64_t)p->n_rows * p->n_heads, groups);
}

const struct smr_kernel_desc smr_desc_norm = {
    .name = "norm",
    .twin = smr_twin_norm,
    .n_bindings = 4,
    .push_size = sizeof(struct smr_norm_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_reduce,
    .n_variants = SMR_COUNT(smr_variants_reduce),
    .tolerance = 1e-11,
    .specialise = norm_specialise,
    .groups = norm_groups,
};

// ---- norm_add_norm ----------------------------------------------------------------------------

static bool norm_add_norm_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                     const void *push)
{
    const struct smr_norm_add_norm_push *p = push;
    return smr_size_specialise(key, limits, p->n_cols <= 512 ? 64 : 256, 1);
}

static void norm_add_norm_groups(const struct smr_kernel_key *key, const void *push,
                                 uint32_t groups[3])
{
    const struct smr_norm_add_norm_push *p = push;
    smr_spread_groups(p->n_rows, groups);
}

const struct smr_kernel_desc smr_desc_norm_add_norm = {
    .name = "norm_add_norm",
    .twin = smr_twin_norm_add_norm,
    .n_bindings = 5,
    .push_size = sizeof(struct smr_norm_add_norm_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE, SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_reduce,
    .n_variants = SMR_COUNT(smr_variants_reduce),
    .tolerance = 1e-11,
    .specialise = norm_add_norm_specialise,
    .groups = norm_add_norm_groups,
};

// ---- quantize ---------------------------------------------------------------------------------

// An invocation makes one block. With NORM, each workgroup adds up the squares of all of its row.
static bool quantize_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                const void *push)
{
    const struct smr_quantize_push *p = push;
    key->constants[0] = smr_workgroup_size_for(limits, 64, 1);
    return p->n_cols && p->n_cols % SMR_QUANTIZE_BLOCK == 0 &&
           (uint64_t)p->n_rows * p->in_stride <= UINT32_MAX && p->n_rows <= 65535;
}

static void quantize_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_quantize_push *p = push;
    groups[0] = smr_div_up(p->n_cols / SMR_QUANTIZE_BLOCK, key->constants[0]);
    groups[1] = smr_max_u32(1, p->n_rows);
    groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_quantize = {
    .name = "quantize",
    .twin = smr_twin_quantize,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_quantize_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = 1,
    .variants = smr_variants_subgroup,
    .n_variants = SMR_COUNT(smr_variants_subgroup),
    .tolerance = 5e-7, // a value between two steps may go either way
    .specialise = quantize_specialise,
    .groups = quantize_groups,
};

// ---- rope_store -------------------------------------------------------------------------------

static const struct smr_variant rope_store_variants[] = {
    {.name = "plain", .defines = ""},
    {.name = "runs",
     .defines = "#define USE_RUNS 1\n",
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16},
};

// Elements of a head that one invocation stores: what shares no word of the cache with others.
static uint32_t rope_store_unit(uint32_t type)
{
    return type == SMR_Q8_0 ? 32 : 2;
}

enum { ROPE_RUNS_ELEMENTS = 2048 }; // of one workgroup

// Constants: workgroup size; whether heads are normed; with runs also head_dim, rope_dim and the heads of
// a workgroup.
static bool rope_store_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                  const void *push)
{
    const struct smr_rope_store_push *p = push;
    const bool store = !(p->flags & SMR_ROPE_NO_STORE);
    if ((!p->rope_dim && !store) || p->rope_dim % 2 || p->rope_dim > p->head_dim || p->head_dim % 2)
        return false;
    if (store && (!p->page_size || !smr_cache_type_fits(key->type, p->head_dim)))
        return false;
    if (p->flags & SMR_ROPE_NORM && !p->rope_dim)
        return false;
    if (smr_is_runs(key)) {
        key->constants[0] = 1;
        key->constants[1] = p->flags & SMR_ROPE_NORM;
        key->constants[2] = p->head_dim;
        key->constants[3] = p->rope_dim;
        key->constants[4] = smr_max_u32(1, ROPE_RUNS_ELEMENTS / p->head_dim);
        return smr_limits_want_runs(limits);
    }
    // As many invocations as a head has pairs, up to a few.
    const uint32_t n_pairs = smr_max_u32(p->rope_dim / 2, p->head_dim / rope_store_unit(key->type));
    uint32_t size = smr_workgroup_size(limits, 64);
    while (size > 16 && size / 2 >= n_pairs)
        size /= 2;
    key->constants[0] = size;
    key->constants[1] = p->flags & SMR_ROPE_NORM;
    return true;
}

// A workgroup for a head of queries, keys or values, or for several.
static void rope_store_groups(const struct smr_kernel_key *key, const void *push,
                              uint32_t groups[3])
{
    const struct smr_rope_store_push *p = push;
    uint64_t heads = p->rope_dim ? p->n_heads : 0;
    if (!(p->flags & SMR_ROPE_NO_STORE))
        heads += 2 * (uint64_t)p->n_kv_heads;
    if (smr_is_runs(key))
        heads = (heads + key->constants[4] - 1) / key->constants[4];
    smr_spread_groups(heads * p->n_rows, groups);
}

const struct smr_kernel_desc smr_desc_rope_store = {
    .name = "rope_store",
    .twin = smr_twin_rope_store,
    .n_bindings = 8,
    .push_size = sizeof(struct smr_rope_store_push),
    .n_constants = 5,
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE, SMR_READ, SMR_READ, SMR_WRITE, SMR_WRITE,
               SMR_READ},
    .types = smr_types_cache,
    .n_types = SMR_COUNT(smr_types_cache),
    .variants = rope_store_variants,
    .n_variants = SMR_COUNT(rope_store_variants),
    .tolerance = 1e-11,
    .specialise = rope_store_specialise,
    .groups = rope_store_groups,
};

// ---- activate ---------------------------------------------------------------------------------

enum { ACTIVATE_COLS = 4, ACTIVATE_RUNS_COLS = 256 }; // of one invocation, as in activate.comp

static bool activate_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                const void *push)
{
    return smr_size_specialise(key, limits, 64, 64);
}

// Columns along x; rows along y, where the shader steps by the number of workgroups.
static void activate_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_activate_push *p = push;
    const uint32_t cols = smr_is_runs(key) ? ACTIVATE_RUNS_COLS : ACTIVATE_COLS;
    groups[0] = smr_max_u32(1, smr_div_up(p->n_cols, key->constants[0] * cols));
    groups[1] = smr_min_u32(smr_max_u32(1, p->n_rows), 65535);
    groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_activate = {
    .name = "activate",
    .twin = smr_twin_activate,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_activate_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_runs,
    .n_variants = SMR_COUNT(smr_variants_runs),
    .tolerance = 1e-11,
    .specialise = activate_specialise,
    .groups = activate_groups,
};

// ---- reduce -----------------------------------------------------------------------------------

static bool reduce_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    return smr_size_specialise(key, limits, 128, 16);
}

static void reduce_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_reduce_push *p = push;
    smr_spread_groups((uint64_t)p->n_rows * smr_div_up(p->n_cols, SMR_REDUCE_CHUNK), groups);
}

const struct smr_kernel_desc smr_desc_reduce = {
    .name = "reduce",
    .twin = smr_twin_reduce,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_reduce_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_runs,
    .n_variants = SMR_COUNT(smr_variants_runs),
    .tolerance = 1e-11,
    .specialise = reduce_specialise,
    .groups = reduce_groups,
};

static bool plain_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const void *push)
{
    key->constants[0] = smr_workgroup_size_for(limits, 128, 16);
    return true;
}

// ---- copy_pages -------------------------------------------------------------------------------

enum { COPY_BLOCK = 1024 }; // words of a workgroup, as in copy_pages.comp

static void copy_pages_groups(const struct smr_kernel_key *key, const void *push,
                              uint32_t groups[3])
{
    const struct smr_copy_pages_push *p = push;
    const uint32_t blocks = smr_div_up(p->page_size * p->vector_words, COPY_BLOCK);
    smr_spread_groups((uint64_t)p->n_copies * p->n_kv_heads * blocks, groups);
}

const struct smr_kernel_desc smr_desc_copy_pages = {
    .name = "copy_pages",
    .twin = smr_twin_copy_pages,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_copy_pages_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ_WRITE, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-12, // the same bits, in truth
    .specialise = plain_specialise,
    .groups = copy_pages_groups,
};

// ---- all rows ---------------------------------------------------------------------------------

static const struct smr_kernel_desc *const descs[SMR_N_KERNELS] = {
    [SMR_KERNEL_EMBED] = &smr_desc_embed,
    [SMR_KERNEL_NORM] = &smr_desc_norm,
    [SMR_KERNEL_NORM_ADD_NORM] = &smr_desc_norm_add_norm,
    [SMR_KERNEL_QUANTIZE] = &smr_desc_quantize,
    [SMR_KERNEL_MATVEC] = &smr_desc_matvec,
    [SMR_KERNEL_MATMUL] = &smr_desc_matmul,
    [SMR_KERNEL_MATMUL_MERGE] = &smr_desc_matmul_merge,
    [SMR_KERNEL_ROPE_STORE] = &smr_desc_rope_store,
    [SMR_KERNEL_ATTENTION] = &smr_desc_attention,
    [SMR_KERNEL_ATTENTION_MERGE] = &smr_desc_attention_merge,
    [SMR_KERNEL_ACTIVATE] = &smr_desc_activate,
    [SMR_KERNEL_REDUCE] = &smr_desc_reduce,
    [SMR_KERNEL_COPY_PAGES] = &smr_desc_copy_pages,
    [SMR_KERNEL_PICK] = &smr_desc_pick,
    [SMR_KERNEL_PENALISE] = &smr_desc_penalise,
    [SMR_KERNEL_SAMPLE] = &smr_desc_sample,
    [SMR_KERNEL_ROUTE] = &smr_desc_route,
    [SMR_KERNEL_EXPERTS] = &smr_desc_experts,
    [SMR_KERNEL_COMBINE] = &smr_desc_combine,
    [SMR_KERNEL_PROBE_READ] = &smr_desc_probe_read,
    [SMR_KERNEL_PROBE_MATH] = &smr_desc_probe_math,
};

const struct smr_kernel_desc *smr_kernel_desc(enum smr_kernel_id id)
{
    return (unsigned)id < SMR_N_KERNELS ? descs[id] : NULL;
}

bool smr_variant_has_type(const struct smr_kernel_desc *desc, uint32_t variant, enum smr_type type)
{
    const uint32_t types = desc->variants[variant].types;
    for (uint32_t i = 0; i < desc->n_types; i++)
        if (desc->types[i] == type)
            return !types || types >> type & 1;
    return false;
}
