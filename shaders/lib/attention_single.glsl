// attention_single.glsl - attention of one row and head; included by attention.comp.
const uint UNITS = (OCTETS + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE; // octets of an invocation

shared float query[OCTETS * 8u]; // zeros past head_dim
shared float part[TILE * LANES];
shared float score[TILE];
shared float weight[TILE];
shared float sums[KEY_GROUPS * OCTETS * 8u];

// Four elements of the query.
vec4 query_quad(uint i)
{
    return vec4(query[4u * i], query[4u * i + 1u], query[4u * i + 2u], query[4u * i + 3u]);
}

void keep(uint at, vec4 value)
{
    sums[at] = value.x;
    sums[at + 1u] = value.y;
    sums[at + 2u] = value.z;
    sums[at + 3u] = value.w;
}

// Step 2.
void multiply_keys(uint n)
{
    uint lane = gl_LocalInvocationID.x % LANES;
    for (uint t = gl_LocalInvocationID.x / LANES; t < n; t += WORKGROUP_SIZE / LANES) {
        uint base = place[t];
        float sum = 0.0;
        [[dont_unroll]] for (uint o = lane; o < OCTETS; o += LANES) {
            vec4 low, high;
            CACHE_LOAD(key_cache, base, o, HEAD_DIM, low, high)
            sum += dot(low, query_quad(2u * o)) + dot(high, query_quad(2u * o + 1u));
        }
        part[t * LANES + lane] = sum;
    }
}

// Step 3, first half: an invocation for a key, the first of which is key `first` of the sequence.
void finish_scores(uint row, uint head, uint first, uint n)
{
    for (uint t = gl_LocalInvocationID.x; t < n; t += WORKGROUP_SIZE) {
        float s = 0.0;
        for (uint i = 0u; i < LANES; i++)
            s += part[t * LANES + i];
        score[t] = score_of(s, head, rows[row].y, first + t);
    }
}

// Scores of a tile, for all invocations to see.
void make_scores(uint row, uint head, uint first, uint n)
{
    barrier(); // the tile before is done with shared memory
    find_keys(rows[row].w * max_pages, head / (n_heads / n_kv_heads), first, n);
    barrier();
    multiply_keys(n);
    barrier();
    finish_scores(row, head, first, n);
    barrier();
}

void main()
{
    uint self = gl_LocalInvocationID.x;
    uint group = group_index();
    if (group >= n_rows * n_heads * n_splits)
        return; // the whole workgroup
    uint split = group % n_splits;
    uint head = group / n_splits % n_heads;
    uint row = group / n_splits / n_heads;
    uvec2 keys = key_range(row, split);
    for (uint i = self; i < OCTETS * 8u; i += WORKGROUP_SIZE)
        query[i] = i < HEAD_DIM ? q[row * q_stride + head * HEAD_DIM + i] : 0.0;

    uint octet = KEY_GROUPS > 1u ? self % OCTETS : self;
    uint key_group = KEY_GROUPS > 1u ? self / OCTETS : 0u;
    vec4 low[UNITS], high[UNITS]; // sums of the weighted values
    [[unroll]] for (uint i = 0u; i < UNITS; i++) {
        low[i] = vec4(0.0);
        high[i] = vec4(0.0);
    }
    float maximum = -3e38, divisor = 0.0; // of all keys so far; of those whose weight is made here

    for (uint first = keys.x; first < keys.y; first += TILE) {
        uint n = min(TILE, keys.y - first);
        make_scores(row, head, first, n);
        float before = maximum;
        for (uint t = 0u; t < n; t++)
            maximum = max(maximum, score[t]);
        before = exp(before - maximum);
        divisor *= before;
        for (uint t = self; t < n; t += WORKGROUP_SIZE) {
            weight[t] = exp(score[t] - maximum);
            divisor += weight[t];
        }
        barrier();

        [[unroll]] for (uint i = 0u; i < UNITS; i++) {
            low[i] *= before;
            high[i] *= before;
        }
        [[dont_unroll]] for (uint t = key_group; t < n && key_group < KEY_GROUPS; t += KEY_GROUPS) {
            uint base = place[t];
            float w = weight[t];
            [[unroll]] for (uint i = 0u; i < UNITS; i++) {
                uint o = octet + i * WORKGROUP_SIZE;
                if (o < OCTETS) {
                    vec4 a, b;
                    CACHE_LOAD(value_cache, base, o, HEAD_DIM, a, b)
                    low[i] += w * a;
                    high[i] += w * b;
                }
            }
        }
    }

    divisor = workgroup_sum(divisor);
    [[unroll]] for (uint i = 0u; i < UNITS; i++) {
        uint o = octet + i * WORKGROUP_SIZE;
        if (o < OCTETS && key_group < KEY_GROUPS) {
            keep((key_group * OCTETS + o) * 8u, low[i]);
            keep((key_group * OCTETS + o) * 8u + 4u, high[i]);
        }
    }
    barrier();
    uint at = output_at(row, head, split);
    for (uint i = self; i < HEAD_DIM; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        [[dont_unroll]] for (uint g = 0u; g < KEY_GROUPS; g++)
            sum += sums[g * OCTETS * 8u + i];
        y[at + i] = sum * output_factor(divisor);
    }
    if (n_splits != 1u && self == 0u) {
        y[at + HEAD_DIM] = maximum;
        y[at + HEAD_DIM + 1u] = divisor;
    }
}
