#include "base/decode.h"
#include "kernel/twin/twin.h"

#include <assert.h>
#include <string.h>

// A row of weights is decoded in chunks that stay in the first-level cache, and each chunk meets up
// to GROUP rows of x before the next one is decoded.
enum { CHUNK = 1024, GROUP = 64, LANES = 16 };

// The inner loop over lanes has a constant count, so that compilers make vector code of it without
// being allowed to reorder sums.
static double dot(const float *restrict a, const float *restrict b, uint32_t n)
{
    float lanes[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    double sum = 0;
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    for (uint32_t j = 0; j < LANES; j++)
        sum += (double)lanes[j];
    return sum;
}

struct matmul {
    struct smr_matmul_push push;
    enum smr_type type;
    const uint8_t *w;
    const float *x, *bias;
    float *y;
};

// The matrix that row o of w is of.
static struct smr_matmul_part part_of(const struct smr_matmul_push *p, uint32_t o)
{
    struct smr_matmul_part part = {0};
    for (uint32_t i = 0; i < SMR_MATVEC_MAX_PARTS; i++)
        if (o >= p->parts[i].begin)
            part = p->parts[i];
    return part;
}

// Column `o` of y for rows [first, first + n), n <= GROUP.
static void column(const struct matmul *m, uint32_t o, uint32_t first, uint32_t n)
{
    const struct smr_matmul_push *p = &m->push;
    const struct smr_matmul_part part = part_of(p, o);
    const uint8_t *row =
        m->w + (uint32_t)(o * smr_type_size(m->type, p->n_cols) + part.weight); // modulo 2^32
    float weights[CHUNK];
    double sums[GROUP] = {0};

    for (uint32_t c = 0; c < p->n_cols; c += CHUNK) {
        const uint32_t n_chunk = smr_min_u32(CHUNK, p->n_cols - c);
        smr_decode_row(m->type, row + smr_type_size(m->type, c), n_chunk, weights);
        for (uint32_t r = 0; r < n; r++)
            sums[r] += dot(weights, m->x + (size_t)(first + r) * p->in_stride + c, n_chunk);
    }
    const uint32_t at = p->out_offset + o;
    for (uint32_t r = 0; r < n; r++) {
        float *y = &m->y[(size_t)(first + r) * p->out_stride + (uint32_t)(at + part.y)];
        double sum = sums[r];
        if (p->flags & SMR_MATMUL_BIAS)
            sum += (double)m->bias[(uint32_t)(at + part.bias)];
        if (p->flags & SMR_MATMUL_ADD)
            sum += (double)*y;
        *y = (float)sum;
    }
}

void smr_twin_matvec(const struct smr_twin_args *args)
{
    struct matmul m = {
        .type = (enum smr_type)args->type,
        .w = args->bindings[0],
        .x = args->bindings[1],
        .bias = args->bindings[2],
        .y = args->bindings[3],
    };
    memcpy(&m.push, args->push, sizeof m.push);
    assert(m.push.parts[1].begin ||
           args->sizes[0] >=
               m.push.parts[0].weight + m.push.n_out * smr_type_size(m.type, m.push.n_cols));
    assert(m.push.n_rows == 1 || !m.push.parts[SMR_MATVEC_MAX_PARTS - 1].begin);

    for (uint32_t r = 0; r < m.push.n_rows; r += GROUP)
        for (uint32_t o = 0; o < m.push.n_out; o++)
            column(&m, o, r, smr_min_u32(GROUP, m.push.n_rows - r));
}
