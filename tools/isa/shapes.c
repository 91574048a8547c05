// shapes.c - what models ask of each kernel: sizes of Llama 7B where they do not matter much, others
// where a variant depends on them.
#include "isa.h"

// A product of `rows` rows of activations with a matrix of outs rows of cols columns.
#define PRODUCT(kernel, rows, cols, outs) FUSED(kernel, "", rows, cols, outs, 0)
#define FUSED(kernel, name, rows, cols, outs, what)                                                \
    {                                                                                              \
#rows " x " #cols " x " #outs name, SMR_KERNEL_##kernel,                                   \
            .push.matmul = {                                                                       \
                .n_cols = (cols),                                                                  \
               .n_out = (outs),                                                                    \
               .n_rows = (rows),                                                                   \
               .in_stride = (cols),                                                                \
               .out_stride = (outs),                                                               \
               .flags = (what),                                                                    \
               .activation = SMR_ACT_SILU,                                                         \
               .eps = 1e-6f, }                                                                     \
    }

// `rows` rows of 32 heads of dim elements on 8 cached ones.
#define ATTENTION(name, rows, dim, splits)                                                         \
    {                                                                                              \
        name " " #dim, SMR_KERNEL_ATTENTION, .push.attention = {                                   \
            .n_rows = (rows),                                                                      \
            .n_heads = 32,                                                                         \
            .n_kv_heads = 8,                                                                       \
            .head_dim = (dim),                                                                     \
            .q_stride = 32 * (dim),                                                                \
            .out_stride = 32 * (dim),                                                              \
            .page_size = 64,                                                                       \
            .max_pages = 64,                                                                       \
            .n_splits = (splits),                                                                  \
            .scale = 0.1f,                                                                         \
        }                                                                                          \
    }

#define ROPE_STORE(name, what)                                                                     \
    {                                                                                              \
        name, SMR_KERNEL_ROPE_STORE, .push.rope_store = {                                          \
            .n_rows = 1,                                                                           \
            .n_heads = 32,                                                                         \
            .n_kv_heads = 8,                                                                       \
            .head_dim = 128,                                                                       \
            .rope_dim = 128,                                                                       \
            .q_stride = 4096,                                                                      \
            .k_stride = 1024,                                                                      \
            .v_stride = 1024,                                                                      \
            .page_size = 64,                                                                       \
            .flags = (what),                                                                       \
            .magnitude = 1,                                                                        \
            .eps = 1e-6f,                                                                          \
        }                                                                                          \
    }

#define NORM(name, cols, heads)                                                                    \
    {                                                                                              \
        name, SMR_KERNEL_NORM, .push.norm = {                                                      \
            .n_cols = (cols),                                                                      \
            .n_rows = 1,                                                                           \
            .n_heads = (heads),                                                                    \
            .in_stride = (cols) * (heads),                                                         \
            .out_stride = (cols) * (heads),                                                        \
            .eps = 1e-6f,                                                                          \
        }                                                                                          \
    }

const struct shape shapes[] = {
    PRODUCT(MATVEC, 1, 4096, 4096),
    PRODUCT(MATVEC, 1, 2048, 512),
    FUSED(MATVEC, " norm", 1, 4096, 4096, SMR_MATVEC_NORM),
    FUSED(MATVEC, " gate", 1, 4096, 22016, SMR_MATVEC_NORM | SMR_MATVEC_GATED),
    PRODUCT(MATVEC, 2, 4096, 4096),
    PRODUCT(MATVEC, 4, 4096, 4096),
    PRODUCT(MATVEC, 8, 4096, 4096),
    PRODUCT(MATMUL, 16, 4096, 1024), // split
    PRODUCT(MATMUL, 512, 4096, 4096),
    {"8 splits of 1024", SMR_KERNEL_MATMUL_MERGE,
     .push.matmul_merge = {.n_out = 1024, .n_rows = 32, .n_splits = 8, .out_stride = 1024}},
    ATTENTION("decode", 1, 64, 8),
    ATTENTION("decode", 1, 128, 8),
    ATTENTION("decode", 1, 256, 8),
    ATTENTION("prefill", 512, 64, 1),
    ATTENTION("prefill", 512, 128, 1),
    ATTENTION("prefill", 512, 256, 1),
    {"8 splits of 128", SMR_KERNEL_ATTENTION_MERGE,
     .push.attention_merge =
         {.n_rows = 1, .n_heads = 32, .head_dim = 128, .n_splits = 8, .out_stride = 4096}},
    {"1 of 8 x 2048 x 1024", SMR_KERNEL_EXPERTS,
     .push.experts = {.n_cols = 2048,
                      .n_out = 1024,
                      .n_rows = 1,
                      .n_used = 8,
                      .in_stride = 2048,
                      .out_stride = 8 * 1024,
                      .expert_count = 64}},
    {"1 x 4096", SMR_KERNEL_EMBED,
     .push
         .embed = {.n_cols = 4096, .n_rows = 1, .index_stride = 4, .row_count = 32000, .scale = 1}},
    NORM("1 x 4096", 4096, 1),
    NORM("32 heads of 128", 128, 32),
    {"1 x 4096", SMR_KERNEL_NORM_ADD_NORM,
     .push.norm_add_norm = {.n_cols = 4096, .n_rows = 1, .eps = 1e-6f}},
    ROPE_STORE("32 heads of 128", 0),
    ROPE_STORE("32 normed heads", SMR_ROPE_NEOX | SMR_ROPE_NORM),
    {"1 x 11008", SMR_KERNEL_ACTIVATE,
     .push.activate = {.n_cols = 11008,
                       .n_rows = 1,
                       .gate_stride = 11008,
                       .up_stride = 11008,
                       .out_stride = 11008}},
    {"1 x 32000", SMR_KERNEL_REDUCE,
     .push.reduce = {.n_cols = 32000, .n_rows = 1, .in_stride = 32000}},
    {"pages of 64", SMR_KERNEL_COPY_PAGES,
     .push.copy_pages = {.n_copies = 4, .page_size = 64, .n_kv_heads = 8, .vector_words = 64}},
    {"32 chunks", SMR_KERNEL_PICK, .push.pick = {.n_chunks = 32, .n_rows = 1}},
    {"32000 logits", SMR_KERNEL_PENALISE, .push.penalise = {.n_cols = 32000}},
    {"32000 logits", SMR_KERNEL_SAMPLE, .push.sample = {.n_cols = 32000}},
    {"8 of 64", SMR_KERNEL_ROUTE,
     .push.route = {.n_experts = 64, .n_rows = 1, .n_used = 8, .in_stride = 64}},
    {"8 x 2048", SMR_KERNEL_COMBINE,
     .push.combine =
         {.n_cols = 2048, .n_rows = 1, .n_used = 8, .in_stride = 8 * 2048, .out_stride = 2048}},
    {"512 MiB", SMR_KERNEL_PROBE_READ, .push.probe_read = {.n_words = 1 << 27, .n_slices = 8192}},
    {"2^19 x 1024", SMR_KERNEL_PROBE_MATH,
     .push.probe_math = {.n_out = 1 << 19, .n_rounds = 1024, .factor = 0.99f, .addend = 0.01f}},
};
const size_t n_shapes = SMR_COUNT(shapes);
