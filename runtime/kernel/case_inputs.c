// case_inputs.c - inputs that fit a push, per kernel, and how the outputs are read.
#include "kernel/case.h"
#include "kernel/twin/twin.h"

#include <math.h>
#include <string.h>

// ---- shared -----------------------------------------------------------------------------------

// For a binding that is not used.
static struct smr_operand anything(struct smr_case *c)
{
    return smr_case_bytes(c, 16);
}

static struct smr_operand floats_if(struct smr_case *c, bool used, size_t n, float scale)
{
    return used ? smr_case_floats(c, n, scale) : anything(c);
}

// Room for weights that end at byte `end`.
static struct smr_operand weights(struct smr_case *c, uint64_t end)
{
    struct smr_operand operand = {.size = smr_align_up(end, 4)};
    operand.data = smr_arena_alloc(c->arena, operand.size, 1);
    return operand;
}

// Weights from byte `at` on.
static void fill_weights(const struct smr_case *c, const struct smr_operand *operand, uint64_t at,
                         uint64_t n_elements)
{
    if (operand->data)
        smr_random_blocks(c->type, n_elements, n_elements + (uint64_t)c->type,
                          (uint8_t *)operand->data + at);
}

// A KV cache of n elements.
static struct smr_operand cache(struct smr_case *c, size_t n)
{
    struct smr_operand floats = smr_case_floats(c, n, 1.0f);
    struct smr_operand operand = smr_case_bytes(c, smr_cache_size(c->type, (uint32_t)n));
    if (floats.data && operand.data)
        smr_cache_write(c->type, operand.data, 0, floats.data, (uint32_t)n);
    return operand;
}

// ---- embed ------------------------------------------------------------------------------------

// Indexes from a few below the part of the table that is here to a few above it; its ends first.
static void make_embed(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_embed_push *p = c->push;
    const uint64_t n_elements = (uint64_t)p->row_count * p->n_cols;
    c->operands[0] = weights(c, p->table_at + smr_type_size(c->type, n_elements));
    fill_weights(c, &c->operands[0], p->table_at, n_elements);
    c->operands[1] = smr_case_bytes(c, (size_t)p->n_rows * p->index_stride * sizeof(uint32_t));
    c->operands[2] = smr_case_floats(c, (size_t)p->n_rows * p->n_cols, 1.0f);
    uint32_t *index = c->operands[1].data;
    if (!index)
        return;
    index += p->index_offset;
    const uint32_t end = p->row_begin + p->row_count, first = p->row_begin > end ? 0 : p->row_begin;
    const uint32_t below = smr_min_u32(first, 5), above = below ? 5 : 0;
    for (uint32_t r = 0; r < p->n_rows; r++)
        index[r * p->index_stride] =
            first - below + smr_case_random(c, below + end - first + above);
    index[0] = end - 1;
    if (p->n_rows > 2) {
        index[p->index_stride] = p->row_begin;
        index[2 * p->index_stride] = end;
    }
}

// ---- norm -------------------------------------------------------------------------------------

static void make_norm(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_norm_push *p = c->push;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->in_stride, 3.0f);
    c->operands[1] = smr_case_floats(c, p->n_cols, 1.0f);
    c->operands[2] = floats_if(c, p->flags & SMR_NORM_BIAS, p->n_cols, 1.0f);
    c->operands[3] = smr_case_floats(c, (size_t)p->n_rows * p->out_stride, 1.0f);
    float *in = c->operands[0].data;
    if (in && (p->flags & SMR_NORM_LAYER)) // variance around a large mean
        for (size_t i = 0; i < c->operands[0].size / sizeof *in; i++)
            in[i] += 10.0f;
}

// ---- norm_add_norm ----------------------------------------------------------------------------

static void make_norm_add_norm(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_norm_add_norm_push *p = c->push;
    const size_t n = (size_t)p->n_rows * p->n_cols;
    c->operands[0] = smr_case_floats(c, n, 3.0f);
    c->operands[1] = smr_case_floats(c, p->n_cols, 1.0f);
    c->operands[2] = smr_case_floats(c, n, 1.0f);
    c->operands[3] = smr_case_floats(c, p->n_cols, 1.0f);
    c->operands[4] = smr_case_floats(c, n, 1.0f);
}

// ---- quantize ---------------------------------------------------------------------------------

// Among the blocks some are zero, and some are small.
static void make_quantize(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_quantize_push *p = c->push;
    const size_t n_blocks = (size_t)p->n_rows * (p->n_cols / SMR_QUANTIZE_BLOCK);
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->in_stride, 3.0f);
    c->operands[1] = floats_if(c, p->flags & SMR_QUANTIZE_NORM, p->n_cols, 1.0f);
    c->operands[2] = smr_case_bytes(c, n_blocks * SMR_QUANTIZE_BLOCK_SIZE);
    float *in = c->operands[0].data;
    for (size_t i = 0; in && i < c->operands[0].size / sizeof *in; i++)
        in[i] *= i / 32 % 7 == 3 ? 0 : i / 32 % 5 == 2 ? 1e-3f : 1;
}

// What the bytes stand for, and both sums of each block, small.
static size_t decode_quantize(const struct smr_case *c, uint32_t binding, const void *data,
                              float *values)
{
    const struct smr_quantize_push *p = c->push;
    const size_t row_size = (size_t)p->n_cols / SMR_QUANTIZE_BLOCK * SMR_QUANTIZE_BLOCK_SIZE;
    size_t n = 0;
    for (uint32_t r = 0; r < p->n_rows; r++) {
        const uint8_t *row = (const uint8_t *)data + r * row_size;
        for (uint32_t col = 0; col < p->n_cols; col++) {
            float d;
            memcpy(&d, row + p->n_cols + col / SMR_QUANTIZE_BLOCK * 8, sizeof d);
            values[n++] = d * (float)(int8_t)row[col];
        }
        for (uint32_t b = 0; b < p->n_cols / SMR_QUANTIZE_BLOCK; b++) {
            int16_t sums[2];
            memcpy(sums, row + p->n_cols + b * 8 + 4, sizeof sums);
            values[n++] = 1e-3f * (float)sums[0];
            values[n++] = 1e-3f * (float)sums[1];
        }
    }
    return n;
}

// ---- matvec, matmul -----------------------------------------------------------------------------

// Rows of weights that are one matrix's.
static uint32_t part_end(const struct smr_matmul_push *p, int i)
{
    const bool last = i + 1 == SMR_MATVEC_MAX_PARTS || p->parts[i + 1].begin == p->parts[i].begin;
    return last ? p->n_out : p->parts[i + 1].begin;
}

// The last row ends with its last column: what lies behind it is not ours to read.
static void make_matmul(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_matmul_push *p = c->push;
    const uint32_t row_size = (uint32_t)smr_type_size(c->type, p->n_cols);
    uint32_t weights_end = 0, n_bias = 0, n_y = 0;
    for (int i = 0; i < SMR_MATVEC_MAX_PARTS; i++) {
        const struct smr_matmul_part *part = &p->parts[i];
        const uint32_t end = part_end(p, i);
        weights_end = smr_max_u32(weights_end, part->weight + end * row_size);
        n_bias = smr_max_u32(n_bias, part->bias + p->out_offset + end);
        n_y = smr_max_u32(n_y, part->y + p->out_offset + end);
    }
    c->operands[0] = weights(c, weights_end);
    for (int i = 0; i < SMR_MATVEC_MAX_PARTS; i++) {
        const struct smr_matmul_part *part = &p->parts[i];
        fill_weights(c, &c->operands[0], (uint32_t)(part->weight + part->begin * row_size),
                     (uint64_t)p->n_cols * (part_end(p, i) - part->begin));
    }
    c->operands[1] = smr_case_floats(c, (size_t)(p->n_rows - 1) * p->in_stride + p->n_cols, 1.0f);
    c->operands[2] = floats_if(c, p->flags & SMR_MATMUL_BIAS, n_bias, 1.0f);
    c->operands[3] = smr_case_floats(c, (size_t)(p->n_rows - 1) * p->out_stride + n_y, 1.0f);
    c->operands[4] = floats_if(c, p->flags & SMR_MATVEC_NORM, p->n_cols, 1.0f);
}

static void make_matmul_merge(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_matmul_merge_push *p = c->push;
    const uint32_t end = p->out_offset + p->n_out;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_splits * p->n_rows * p->n_out, 1.0f);
    c->operands[1] = floats_if(c, p->flags & SMR_MATMUL_BIAS, end, 1.0f);
    c->operands[2] = smr_case_floats(c, (size_t)(p->n_rows - 1) * p->out_stride + end, 1.0f);
}

// ---- rope_store -------------------------------------------------------------------------------

enum { ROPE_SLOTS = 97 };

// Rows at random positions, the last at the last one; every fifth is padding.
static struct smr_operand rope_rows(struct smr_case *c, uint32_t n_rows, uint32_t last_position)
{
    struct smr_operand operand = smr_case_bytes(c, n_rows * sizeof(struct smr_row));
    struct smr_row *rows = operand.data;
    for (uint32_t i = 0; rows && i < n_rows; i++) {
        rows[i].position = i + 1 == n_rows ? last_position : smr_case_random(c, last_position + 1);
        rows[i].slot = i % 5 == 4 ? SMR_NO_SLOT : (i * 35 + 11) % ROPE_SLOTS; // 35, 97 are coprime
    }
    return operand;
}

static struct smr_operand frequencies(struct smr_case *c, uint32_t rope_dim)
{
    struct smr_operand operand = smr_case_floats(c, rope_dim ? rope_dim / 2 : 1, 1.0f);
    float *inv_freq = operand.data;
    for (uint32_t i = 0; inv_freq && i < rope_dim / 2; i++)
        inv_freq[i] = powf(10000.0f, -2.0f * (float)i / (float)rope_dim);
    return operand;
}

// Elements of the cache: whole pages.
static size_t rope_cached(const struct smr_rope_store_push *p)
{
    const size_t n_pages = smr_div_up(ROPE_SLOTS, p->page_size);
    return n_pages * p->page_size * p->n_kv_heads * p->head_dim;
}

static void make_rope_store(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_rope_store_push *p = c->push;
    const bool store = !(p->flags & SMR_ROPE_NO_STORE);
    const size_t n_cached = store ? rope_cached(p) : 0;
    c->operands[0] = rope_rows(c, p->n_rows, params->last_position);
    c->operands[1] = frequencies(c, p->rope_dim);
    c->operands[2] = smr_case_floats(c, (size_t)p->n_rows * p->q_stride, 1.0f);
    c->operands[3] = floats_if(c, store, (size_t)p->n_rows * p->k_stride, 2.0f);
    c->operands[4] = floats_if(c, store, (size_t)p->n_rows * p->v_stride, 1.0f);
    c->operands[5] = store ? cache(c, n_cached) : anything(c);
    c->operands[6] = store ? cache(c, n_cached) : anything(c);
    c->operands[7] = floats_if(c, p->flags & SMR_ROPE_NORM,
                               smr_max_u32(p->q_norm, p->k_norm) + p->head_dim, 1.0f);
    // A value that is rounded the other way costs a step of the type: seldom, but once.
    if (c->type == SMR_Q8_0)
        c->tolerance = 1e-6;
    if (c->type == SMR_F16)
        c->tolerance = 1e-9;
}

// Queries are f32; caches hold their type.
static size_t decode_rope_store(const struct smr_case *c, uint32_t binding, const void *data,
                                float *values)
{
    const bool cached = binding == 5 || binding == 6;
    const struct smr_rope_store_push *p = c->push;
    if (cached && p->flags & SMR_ROPE_NO_STORE)
        return 0;
    const size_t n = cached ? rope_cached(p) : c->operands[2].size / 4;
    smr_cache_read(cached ? c->type : SMR_F32, data, 0, values, (uint32_t)n);
    return n;
}

// ---- attention --------------------------------------------------------------------------------

// Either a prompt (last_position 0), its rows shared out in runs among the sequences, or rows at
// random positions up to the last. Every sixth row of those is padding.
static struct smr_operand attention_rows(struct smr_case *c, uint32_t n_rows,
                                         const struct smr_case_params *params)
{
    struct smr_operand operand = smr_case_bytes(c, n_rows * sizeof(struct smr_row));
    struct smr_row *rows = operand.data;
    const bool prompt = params->last_position == 0;
    const uint32_t run = smr_div_up(n_rows, params->n_sequences);
    for (uint32_t i = 0; rows && i < n_rows; i++) {
        rows[i].sequence = prompt ? i / run : i % params->n_sequences;
        rows[i].position = prompt            ? i % run
                           : i + 1 == n_rows ? params->last_position
                                             : smr_case_random(c, params->last_position + 1);
        rows[i].slot = !prompt && i % 6 == 5 ? SMR_NO_SLOT : 0;
    }
    if (rows && n_rows > 30)
        rows[n_rows - 1].slot = SMR_NO_SLOT; // a prompt that was padded
    return operand;
}

// Every sequence has pages of its own, in random order.
static struct smr_operand attention_pages(struct smr_case *c, uint32_t n_pages)
{
    struct smr_operand operand = smr_case_bytes(c, n_pages * sizeof(uint32_t));
    uint32_t *pages = operand.data;
    for (uint32_t i = 0; pages && i < n_pages; i++) {
        const uint32_t other = smr_case_random(c, i + 1);
        pages[i] = pages[other];
        pages[other] = i;
    }
    return operand;
}

// Sequences of any length that the pages hold. One of several is empty.
static struct smr_operand attention_lengths(struct smr_case *c, uint32_t n_sequences, uint32_t most)
{
    struct smr_operand operand = smr_case_bytes(c, n_sequences * sizeof(uint32_t));
    uint32_t *lengths = operand.data;
    for (uint32_t i = 0; lengths && i < n_sequences; i++)
        lengths[i] = i + 1 == n_sequences && i ? 0 : 1 + smr_case_random(c, most);
    return operand;
}

static void make_attention(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_attention_push *p = c->push;
    const uint32_t n_pages = p->max_pages * params->n_sequences;
    const size_t n_cached = (size_t)n_pages * p->page_size * p->n_kv_heads * p->head_dim;
    c->operands[0] = attention_rows(c, p->n_rows, params);
    c->operands[1] = attention_pages(c, n_pages);
    c->operands[2] = smr_case_floats(c, (size_t)p->n_rows * p->q_stride, 2.0f);
    c->operands[3] = cache(c, n_cached);
    c->operands[4] = cache(c, n_cached);
    const size_t n_out = p->n_splits == 1
                             ? (size_t)p->n_rows * p->out_stride
                             : (size_t)p->n_rows * p->n_heads * p->n_splits * (p->head_dim + 2);
    c->operands[5] = smr_case_floats(c, n_out, 1.0f);
    c->operands[6] = p->flags & SMR_ATTENTION_FULL
                         ? attention_lengths(c, params->n_sequences, p->max_pages * p->page_size)
                         : anything(c);
    c->operands[7] = floats_if(c, p->flags & SMR_ATTENTION_BIAS,
                               (size_t)p->n_heads * (2 * (size_t)p->reach + 1), 3.0f);
}

// Without splits all is plain. With them the maximum of an empty split, -3e38, would drown the
// rest.
static size_t decode_attention(const struct smr_case *c, uint32_t binding, const void *data,
                               float *values)
{
    const size_t n = c->operands[binding].size / sizeof *values;
    for (size_t i = 0; i < n; i++) {
        const float value = ((const float *)data)[i];
        values[i] = value < -1e38f ? -1.0f : value;
    }
    return n;
}

// ---- attention_merge --------------------------------------------------------------------------

// Partial results as attention leaves them: splits that are empty, and in the third row all are.
static void make_attention_merge(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_attention_merge_push *p = c->push;
    const size_t size = p->head_dim + 2, n = (size_t)p->n_rows * p->n_heads * p->n_splits;
    c->operands[0] = smr_case_floats(c, n * size, 5.0f);
    float *partial = c->operands[0].data;
    for (size_t i = 0; partial && i < n; i++, partial += size) {
        const bool row_empty = i / ((size_t)p->n_heads * p->n_splits) == 2;
        const bool empty = row_empty || smr_case_random(c, 4) == 0;
        partial[p->head_dim] = empty ? -3e38f : 20 * smr_case_random_float(c);
        partial[p->head_dim + 1] = empty ? 0 : 1 + 10 * (1 + smr_case_random_float(c));
        for (uint32_t j = 0; empty && j < p->head_dim; j++)
            partial[j] = 0;
    }
    c->operands[1] = smr_case_floats(c, (size_t)p->n_rows * p->out_stride, 1.0f);
}

// ---- activate ---------------------------------------------------------------------------------

static void make_activate(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_activate_push *p = c->push;
    const bool up = !(p->flags & SMR_ACTIVATE_NO_UP);
    const float range = params->range > 0 ? params->range : 5;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->gate_stride, range);
    float *gate = c->operands[0].data;
    for (size_t i = 0; gate && i < c->operands[0].size / sizeof *gate; i++)
        gate[i] += params->middle;
    c->operands[1] = floats_if(c, up, (size_t)p->n_rows * p->up_stride, 1.0f);
    c->operands[2] = smr_case_floats(c, (size_t)p->n_rows * p->out_stride, 1.0f);
}

// ---- reduce -----------------------------------------------------------------------------------

static void make_reduce(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_reduce_push *p = c->push;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->in_stride, 10.0f);
    c->operands[1] =
        smr_case_floats(c, 4 * (size_t)p->n_rows * smr_div_up(p->n_cols, SMR_REDUCE_CHUNK), 1.0f);
}

// Maximum and sum; sums of all orders of magnitude do not occur, maxima of 3e38 do.
static size_t decode_reduce(const struct smr_case *c, uint32_t binding, const void *data,
                            float *values)
{
    const struct smr_reduced *reduced = data;
    const size_t n = c->operands[binding].size / sizeof *reduced;
    for (size_t i = 0; i < n; i++) {
        values[2 * i] = reduced[i].maximum * 1e-20f;
        values[2 * i + 1] = reduced[i].sum;
    }
    return 2 * n;
}

static const char *check_reduce(const struct smr_case *c, uint32_t binding, const void *expected,
                                const void *actual)
{
    const struct smr_reduced *a = expected, *b = actual;
    for (size_t i = 0; i < c->operands[binding].size / sizeof *a; i++)
        if (a[i].index != b[i].index || a[i].maximum != b[i].maximum)
            return "another index or maximum than the twin's";
    return NULL;
}

// ---- copy_pages -------------------------------------------------------------------------------

// From the first half of the pages to the second, now and then from the same one; whole pages, their
// first slots, or nothing.
static void make_copy_pages(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_copy_pages_push *p = c->push;
    const size_t page_size = (size_t)p->page_size * p->n_kv_heads * p->vector_words * 4; // bytes
    const size_t size = 2 * page_size * p->n_copies;
    c->operands[0] = smr_case_bytes(c, p->n_copies * sizeof(struct smr_page_copy));
    c->operands[1] = smr_case_bytes(c, size);
    c->operands[2] = smr_case_bytes(c, size);
    struct smr_page_copy *copies = c->operands[0].data;
    for (uint32_t i = 0; copies && i < p->n_copies; i++) {
        const uint32_t some = 1 + smr_case_random(c, p->page_size);
        copies[i] = (struct smr_page_copy){.from = smr_case_random(c, p->n_copies),
                                           .to = p->n_copies + i,
                                           .n_slots = i % 3 == 2   ? 0
                                                      : i % 3 == 1 ? p->page_size
                                                                   : some};
    }
}

// Where any bits may be: compared byte by byte.
static size_t decode_bytes(const struct smr_case *c, uint32_t binding, const void *data,
                           float *values)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < c->operands[binding].size; i++)
        values[i] = bytes[i];
    return c->operands[binding].size;
}

// ---- route, experts, combine --------------------------------------------------------------------

// Choices as route makes them: of each row no expert twice.
static struct smr_operand choices(struct smr_case *c, uint32_t n_rows, uint32_t n_used,
                                  uint32_t n_experts)
{
    struct smr_operand operand = smr_case_floats(c, (size_t)n_rows * 2 * n_used, 1.0f);
    uint32_t *numbers = operand.data;
    for (uint32_t r = 0; numbers && r < n_rows; r++)
        for (uint32_t k = 0, first = smr_case_random(c, n_experts); k < n_used; k++)
            numbers[2 * r * n_used + k] = (first + k * 7) % n_experts;
    return operand;
}

static void make_route(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_route_push *p = c->push;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->in_stride, 5.0f);
    c->operands[1] = smr_case_floats(c, (size_t)p->n_rows * 2 * p->n_used, 1.0f);
}

// Numbers, and then weights.
static size_t decode_route(const struct smr_case *c, uint32_t binding, const void *data,
                           float *values)
{
    const struct smr_route_push *p = c->push;
    const size_t n = (size_t)p->n_rows * 2 * p->n_used;
    for (size_t i = 0; i < n; i++)
        values[i] = i / p->n_used % 2 ? ((const float *)data)[i] : 0;
    return n;
}

static const char *check_route(const struct smr_case *c, uint32_t binding, const void *expected,
                               const void *actual)
{
    const struct smr_route_push *p = c->push;
    const uint32_t *a = expected, *b = actual;
    for (size_t i = 0; i < (size_t)p->n_rows * 2 * p->n_used; i++)
        if (i / p->n_used % 2 == 0 && a[i] != b[i])
            return "another expert than the twin's";
    return NULL;
}

// Of a few experts more than are here, so that some choices are others.
static void make_experts(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_experts_push *p = c->push;
    const uint32_t n_experts = p->expert_begin + p->expert_count + (p->expert_begin ? 2 : 0);
    const size_t last = (size_t)(p->n_rows - 1);
    const uint64_t n_weights = (uint64_t)p->n_cols * p->n_out * p->expert_count;
    c->operands[0] = weights(c, p->weight_at + smr_type_size(c->type, n_weights));
    fill_weights(c, &c->operands[0], p->weight_at, n_weights);
    c->operands[1] = smr_case_floats(
        c, last * p->in_stride + (size_t)(p->n_used - 1) * p->in_step + p->n_cols, 1.0f);
    c->operands[2] = choices(c, p->n_rows, p->n_used, n_experts);
    c->operands[3] = smr_case_floats(c, last * p->out_stride + (size_t)p->n_used * p->n_out, 1.0f);
}

static void make_combine(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_combine_push *p = c->push;
    c->operands[0] = smr_case_floats(c, (size_t)p->n_rows * p->in_stride, 2.0f);
    c->operands[1] = choices(c, p->n_rows, p->n_used, p->n_used);
    c->operands[2] = smr_case_floats(c, (size_t)p->n_rows * p->out_stride, 1.0f);
}

// ---- probes -------------------------------------------------------------------------------------

static void make_probe_read(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_probe_read_push *p = c->push;
    c->operands[0] = smr_case_bytes(c, (size_t)p->n_words * sizeof(uint32_t));
    c->operands[1] = smr_case_bytes(c, (size_t)p->n_slices * sizeof(uint32_t));
}

static void make_probe_math(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_probe_math_push *p = c->push;
    c->operands[0] = smr_case_floats(c, p->n_out, 1.0f);
    c->operands[1] = smr_case_floats(c, p->n_out, 1.0f);
}

// ---- all kernels ------------------------------------------------------------------------------

const struct smr_case_inputs smr_case_inputs[SMR_N_KERNELS] = {
    [SMR_KERNEL_EMBED] = {make_embed, NULL, NULL, false},
    [SMR_KERNEL_NORM] = {make_norm, NULL, NULL, false},
    [SMR_KERNEL_NORM_ADD_NORM] = {make_norm_add_norm, NULL, NULL, false},
    [SMR_KERNEL_QUANTIZE] = {make_quantize, decode_quantize, NULL, true},
    [SMR_KERNEL_MATVEC] = {make_matmul, NULL, NULL, false},
    [SMR_KERNEL_MATMUL] = {make_matmul, NULL, NULL, false},
    [SMR_KERNEL_MATMUL_MERGE] = {make_matmul_merge, NULL, NULL, false},
    [SMR_KERNEL_ROPE_STORE] = {make_rope_store, decode_rope_store, NULL, true},
    [SMR_KERNEL_ATTENTION] = {make_attention, decode_attention, NULL, false},
    [SMR_KERNEL_ATTENTION_MERGE] = {make_attention_merge, NULL, NULL, false},
    [SMR_KERNEL_ACTIVATE] = {make_activate, NULL, NULL, false},
    [SMR_KERNEL_REDUCE] = {make_reduce, decode_reduce, check_reduce, true},
    [SMR_KERNEL_PICK] = {smr_case_make_pick, smr_case_decode_tokens, NULL, true},
    [SMR_KERNEL_PENALISE] = {smr_case_make_penalise, NULL, NULL, false},
    [SMR_KERNEL_SAMPLE] = {smr_case_make_sample, smr_case_decode_tokens, NULL, true},
    [SMR_KERNEL_COPY_PAGES] = {make_copy_pages, decode_bytes, NULL, true},
    [SMR_KERNEL_ROUTE] = {make_route, decode_route, check_route, true},
    [SMR_KERNEL_EXPERTS] = {make_experts, NULL, NULL, false},
    [SMR_KERNEL_COMBINE] = {make_combine, NULL, NULL, false},
    [SMR_KERNEL_PROBE_READ] = {make_probe_read, decode_bytes, NULL, true},
    [SMR_KERNEL_PROBE_MATH] = {make_probe_math, NULL, NULL, false},
};
