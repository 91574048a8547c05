// rope_runs.glsl - rope_store where an invocation is a thread of a processor, and its compiler
// makes vectors of loops (see lib/runs.glsl); included by rope_store.comp.
//
// A workgroup is one invocation and takes HEADS heads of a row, whose angles are made once for all
// of them. A head is read, worked on in place, and written.
layout(constant_id = 2) const uint HEAD_DIM = 64u;
layout(constant_id = 3) const uint ROPE_DIM = 64u;
layout(constant_id = 4) const uint HEADS = 16u;

const uint PAIRS = ROPE_DIM / 2u;

float cosines[PAIRS + 1u], sines[PAIRS + 1u]; // times the magnitude; one more: there may be none
float head[HEAD_DIM];

// As lane_base(), for a head after it.
uint head_base(uint at)
{
    return min(at, 0xffffffffu - HEAD_DIM);
}

void make_angles(uint position)
{
    LANE_LOOP for (uint i = 0u; i < PAIRS; i++) {
        vec2 r = rotation(position, i);
        cosines[i] = r.x;
        sines[i] = r.y;
    }
}

void norm_head(uint weights)
{
    uint from = head_base(weights);
    float squares = 0.0;
    LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
        squares += head[e] * head[e];
    float factor = 1.0 / sqrt(squares / float(HEAD_DIM) + eps);
    LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
        head[e] *= factor * norms[from + e];
}

void rotate_head()
{
    if ((flags & NEOX) != 0u) {
        LANE_LOOP for (uint i = 0u; i < PAIRS; i++) {
            float a = head[i], b = head[PAIRS + i];
            head[i] = a * cosines[i] - b * sines[i];
            head[PAIRS + i] = a * sines[i] + b * cosines[i];
        }
    } else {
        LANE_LOOP for (uint i = 0u; i < PAIRS; i++) {
            float a = head[2u * i], b = head[2u * i + 1u];
            head[2u * i] = a * cosines[i] - b * sines[i];
            head[2u * i + 1u] = a * sines[i] + b * cosines[i];
        }
    }
}

// Write the head to the cache's vector at word `base` of the buffer `parts`.
#if defined(TYPE_F32)
#define WRITE_HEAD(parts, base)                                   \
    {                                                             \
        uint to = head_base(base);                                \
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)            \
            parts[to + e] = floatBitsToUint(head[e]);             \
    }
#elif defined(TYPE_F16)
#define WRITE_HEAD(parts, base)                                   \
    {                                                             \
        uint to = head_base(2u * (base));                         \
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)            \
            parts[to + e] = uint16_t(lane_f16(head[e]));          \
    }
#else
#define WRITE_HEAD(parts, base)                                                           \
    for (uint b = 0u; b < HEAD_DIM / 32u; b++) {                                          \
        uint to = lane_base(4u * ((base) + 9u * b)), from = 32u * b;                      \
        float most = 0.0;                                                                 \
        LANE_LOOP for (uint l = 0u; l < 32u; l++)                                         \
            most = max(most, abs(head[from + l]));                                        \
        uint bits = floatBitsToUint(most / 127.0);                                        \
        float inverse = most > 0.0 ? 127.0 / most : 0.0;                                  \
        for (uint i = 0u; i < 4u; i++)                                                    \
            parts[to + i] = uint8_t(bits >> 8u * i & 0xffu);                              \
        LANE_LOOP for (uint l = 0u; l < 32u; l++)                                         \
            parts[to + 4u + l] = uint8_t(int(floor(head[from + l] * inverse + 0.5)) & 0xff); \
    }
#endif

// Head `h` of a row: first come those of queries, then those of keys, then those of values.
void do_head(uint row, uint h, uint n_queries, uint n_stored)
{
    if (h < n_queries) {
        uint at = head_base(row * q_stride + h * HEAD_DIM);
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
            head[e] = q[at + e];
        if (NORM != 0u)
            norm_head(q_norm);
        rotate_head();
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
            q[at + e] = head[e];
        return;
    }
    uint slot = rows[row].z;
    if (slot == NO_SLOT)
        return;
    h -= n_queries;
    uint vector = cache_vector(slot / page_size, slot % page_size, h % n_stored);
    uint base = vector * CACHE_WORDS(HEAD_DIM);
    if (h < n_stored) {
        uint at = head_base(row * k_stride + h * HEAD_DIM);
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
            head[e] = k[at + e];
        if (NORM != 0u)
            norm_head(k_norm);
        rotate_head();
        WRITE_HEAD(key_parts, base)
    } else {
        uint at = head_base(row * v_stride + (h - n_stored) * HEAD_DIM);
        LANE_LOOP for (uint e = 0u; e < HEAD_DIM; e++)
            head[e] = v[at + e];
        WRITE_HEAD(value_parts, base)
    }
}

void main()
{
    uint n_queries = ROPE_DIM == 0u ? 0u : n_heads;
    uint n_stored = (flags & NO_STORE) != 0u ? 0u : n_kv_heads;
    uint n_all = n_queries + 2u * n_stored, n_parts = (n_all + HEADS - 1u) / HEADS;
    uint row = group_index() / n_parts, first = group_index() % n_parts * HEADS;
    if (row >= n_rows)
        return; // past the end
    make_angles(rows[row].y);
    for (uint h = first; h < min(first + HEADS, n_all); h++)
        do_head(row, h, n_queries, n_stored);
}
