#include "base/decode.h"
#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>
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
    const float *x, *bias, *norm;
    float *y;
    float factors[SMR_MATVEC_MAX_ROWS]; // with NORM: one over the root of the mean square of x
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

// Row o of w times rows [first, first + n) of x, n <= GROUP.
static void multiply(const struct matmul *m, uint32_t o, uint32_t first, uint32_t n, double *sums)
{
    const struct smr_matmul_push *p = &m->push;
    const uint8_t *row = m->w + (uint32_t)(o * smr_type_size(m->type, p->n_cols) +
                                           part_of(p, o).weight); // modulo 2^32
    const bool normed = p->flags & SMR_MATVEC_NORM;
    float weights[CHUNK];

    for (uint32_t r = 0; r < n; r++)
        sums[r] = 0;
    for (uint32_t c = 0; c < p->n_cols; c += CHUNK) {
        const uint32_t n_chunk = smr_min_u32(CHUNK, p->n_cols - c);
        smr_decode_row(m->type, row + smr_type_size(m->type, c), n_chunk, weights);
        for (uint32_t i = 0; normed && i < n_chunk; i++)
            weights[i] *= m->norm[c + i];
        for (uint32_t r = 0; r < n; r++)
            sums[r] += dot(weights, m->x + (size_t)(first + r) * p->in_stride + c, n_chunk);
    }
    for (uint32_t r = 0; normed && r < n; r++)
        sums[r] *= (double)m->factors[first + r];
}

// Column `o` of y for rows [first, first + n), n <= GROUP.
static void column(const struct matmul *m, uint32_t o, uint32_t first, uint32_t n)
{
    const struct smr_matmul_push *p = &m->push;
    const struct smr_matmul_part part = part_of(p, o);
    const uint32_t at = p->out_offset + o;
    double sums[GROUP];
    multiply(m, o, first, n, sums);
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

static void gated_column(const struct matmul *m, uint32_t o)
{
    const struct smr_matmul_push *p = &m->push;
    double gate[GROUP], up[GROUP];
    multiply(m, o, 0, p->n_rows, gate);
    multiply(m, p->n_out / 2 + o, 0, p->n_rows, up);
    for (uint32_t r = 0; r < p->n_rows; r++)
        m->y[(size_t)r * p->out_stride + (uint32_t)(o + p->parts[0].y)] =
            smr_activate((enum smr_activation)p->activation, 0, (float)gate[r]) * (float)up[r];
}

static void find_factors(struct matmul *m)
{
    const struct smr_matmul_push *p = &m->push;
    for (uint32_t r = 0; r < p->n_rows; r++) {
        const float *x = m->x + (size_t)r * p->in_stride;
        double squares = 0;
        for (uint32_t c = 0; c < p->n_cols; c++)
            squares += (double)x[c] * (double)x[c];
        m->factors[r] = (float)(1.0 / sqrt(squares / p->n_cols + (double)p->eps));
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
        .norm = args->bindings[4],
    };
    memcpy(&m.push, args->push, sizeof m.push);
    const uint32_t flags = m.push.flags;
    assert(m.push.parts[1].begin ||
           args->sizes[0] >=
               m.push.parts[0].weight + m.push.n_out * smr_type_size(m.type, m.push.n_cols));
    assert(!(flags & (SMR_MATVEC_NORM | SMR_MATVEC_GATED)) || m.push.n_rows <= SMR_MATVEC_MAX_ROWS);

    if (flags & SMR_MATVEC_NORM)
        find_factors(&m);
    if (flags & SMR_MATVEC_GATED) {
        for (uint32_t o = 0; o < m.push.n_out / 2; o++)
            gated_column(&m, o);
        return;
    }
    for (uint32_t r = 0; r < m.push.n_rows; r += GROUP)
        for (uint32_t o = 0; o < m.push.n_out; o++)
            column(&m, o, r, smr_min_u32(GROUP, m.push.n_rows - r));
}
