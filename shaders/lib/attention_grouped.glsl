// attention_grouped.glsl - attention of several queries that share a KV head; included by
// attention.comp. Each key and value is read once for QUERIES queries: those of HEADS heads that
// share it, in QUERIES / HEADS neighbouring rows.
//
// Neighbouring rows of one sequence make a run, whose keys are gone over together; each query sees
// only its own. Invocations change roles: in step 3 each belongs to one query, the STEP3 neighbours
// of which share its keys; in steps 2 and 4 they work for all queries.
layout(constant_id = 4) const uint QUERIES = 8u; // a multiple of HEADS; divides WORKGROUP_SIZE
layout(constant_id = 5) const uint HEADS = 1u;
const uint ROWS = QUERIES / HEADS;
const uint STEP3 = WORKGROUP_SIZE / QUERIES;

shared float query[QUERIES * OCTETS * 8u]; // zeros past head_dim and for absent queries
shared uvec2 range[QUERIES];               // keys that a query sees
shared float part[QUERIES * TILE * LANES];
shared float score[QUERIES * TILE];
shared float weight[QUERIES * TILE];
shared float shrink[QUERIES]; // exp(old maximum - new maximum)
shared float sums[KEY_GROUPS * OCTETS * 8u];

// What this workgroup is for.
struct Task {
    uint split, kv_head, first_head, n_heads, first_row, n_rows;
};

Task find_task(uint group)
{
    uint shared_heads = n_heads / n_kv_heads;
    uint head_blocks = (shared_heads + HEADS - 1u) / HEADS;
    Task task;
    task.split = group % n_splits;
    group /= n_splits;
    uint block = group % head_blocks;
    group /= head_blocks;
    task.kv_head = group % n_kv_heads;
    task.first_head = task.kv_head * shared_heads + block * HEADS;
    task.n_heads = min(HEADS, shared_heads - block * HEADS);
    task.first_row = group / n_kv_heads * ROWS;
    task.n_rows = task.first_row < n_rows ? min(ROWS, n_rows - task.first_row) : 0u;
    return task;
}

// Query i is head i % HEADS of row i / HEADS.
bool has_query(Task task, uint i)
{
    return i % HEADS < task.n_heads && i / HEADS < task.n_rows;
}

void load_queries(Task task)
{
    for (uint i = gl_LocalInvocationID.x; i < QUERIES * OCTETS * 8u; i += WORKGROUP_SIZE) {
        uint n = i / (OCTETS * 8u), e = i % (OCTETS * 8u);
        float value = 0.0;
        if (has_query(task, n) && e < HEAD_DIM)
            value = q[(task.first_row + n / HEADS) * q_stride +
                      (task.first_head + n % HEADS) * HEAD_DIM + e];
        query[i] = value;
    }
    for (uint i = gl_LocalInvocationID.x; i < QUERIES; i += WORKGROUP_SIZE)
        range[i] = has_query(task, i) ? key_range(task.first_row + i / HEADS, task.split)
                                      : uvec2(0u);
}

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

// Step 2, for all queries: each octet of a key is read once.
void multiply_keys(uint n)
{
    uint lane = gl_LocalInvocationID.x % LANES;
    for (uint t = gl_LocalInvocationID.x / LANES; t < n; t += WORKGROUP_SIZE / LANES) {
        uint base = place[t];
        float products[QUERIES];
        [[unroll]] for (uint i = 0u; i < QUERIES; i++)
            products[i] = 0.0;
        [[dont_unroll]] for (uint o = lane; o < OCTETS; o += LANES) {
            vec4 low, high;
            CACHE_LOAD(key_cache, base, o, HEAD_DIM, low, high)
            [[unroll]] for (uint i = 0u; i < QUERIES; i++)
                products[i] += dot(low, query_quad((i * OCTETS + o) * 2u)) +
                               dot(high, query_quad((i * OCTETS + o) * 2u + 1u));
        }
        [[unroll]] for (uint i = 0u; i < QUERIES; i++)
            part[(i * TILE + t) * LANES + lane] = products[i];
    }
}

// Step 3, first half. `mine` is the invocation's query, `place_in` its number among those of it.
// The tile begins at key `first`.
void finish_scores(Task task, uint mine, uint place_in, uint first, uint n)
{
    uint row = min(task.first_row + mine / HEADS, n_rows - 1u); // absent queries have scores as well
    uint head = min(task.first_head + mine % HEADS, n_heads - 1u);
    for (uint t = place_in; t < n; t += STEP3) {
        float s = 0.0;
        [[dont_unroll]] for (uint i = 0u; i < LANES; i++)
            s += part[(mine * TILE + t) * LANES + i];
        score[mine * TILE + t] = score_of(s, head, rows[row].y, first + t);
    }
}

// Step 3, second half: the query's new maximum, and the weights of its keys in this tile, which
// begins at key `first`. Keys that it does not see get the weight 0.
void weigh(uint mine, uint place_in, uvec2 seen, uint first, uint n, inout float maximum,
           inout float divisor)
{
    uint from = seen.x > first ? min(n, seen.x - first) : 0u;
    uint to = seen.y > first ? min(n, seen.y - first) : 0u;
    float before = maximum;
    for (uint t = from; t < to; t++)
        maximum = max(maximum, score[mine * TILE + t]);
    before = exp(before - maximum);
    divisor *= before;
    if (place_in == 0u)
        shrink[mine] = before;
    for (uint t = place_in; t < n; t += STEP3) {
        float w = t >= from && t < to ? exp(score[mine * TILE + t] - maximum) : 0.0;
        weight[mine * TILE + t] = w;
        divisor += w;
    }
}

// The rows from `begin` on that are of its sequence, counted from the task's first: returns the one
// after them, and the keys that any of them sees.
uint find_run(Task task, uint begin, out uvec2 keys)
{
    uint sequence = rows[task.first_row + begin].w;
    keys = uvec2(0xffffffffu, 0u);
    uint next = begin;
    while (next < task.n_rows && rows[task.first_row + next].w == sequence) {
        uvec2 seen = key_range(task.first_row + next, task.split);
        if (seen.x < seen.y)
            keys = uvec2(min(keys.x, seen.x), max(keys.y, seen.y));
        next++;
    }
    return next;
}

// Query i's result, from what KEY_GROUPS left in `sums`, its invocations' divisors in `part`, and
// its maximum in `shrink`.
void write_query(Task task, uint i)
{
    uint at = output_at(task.first_row + i / HEADS, task.first_head + i % HEADS, task.split);
    float divisor = 0.0;
    for (uint j = 0u; j < STEP3; j++)
        divisor += part[i * STEP3 + j];
    for (uint e = gl_LocalInvocationID.x; e < HEAD_DIM; e += WORKGROUP_SIZE) {
        float sum = 0.0;
        [[dont_unroll]] for (uint g = 0u; g < KEY_GROUPS; g++)
            sum += sums[g * OCTETS * 8u + e];
        y[at + e] = sum * output_factor(divisor);
    }
    if (n_splits != 1u && gl_LocalInvocationID.x == 0u) {
        y[at + HEAD_DIM] = shrink[i];
        y[at + HEAD_DIM + 1u] = divisor;
    }
}

void main()
{
    uint self = gl_LocalInvocationID.x;
    Task task = find_task(group_index());
    if (task.n_rows == 0u)
        return; // the whole workgroup: past the end
    load_queries(task);

    uint octet = self % OCTETS, key_group = self / OCTETS;
    vec4 low[QUERIES], high[QUERIES]; // sums of the weighted values
    [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
        low[i] = vec4(0.0);
        high[i] = vec4(0.0);
    }
    uint mine = self / STEP3, place_in = self % STEP3;
    float maximum = -3e38, divisor = 0.0; // of the query; of keys whose weight is made here

    uint next = 0u;
    while (next < task.n_rows) {
        uint begin = next;
        uvec2 keys;
        next = find_run(task, begin, keys);
        bool in_run = mine >= begin * HEADS && mine < next * HEADS;
        uint table = rows[task.first_row + begin].w * max_pages;

        for (uint first = keys.x; first < keys.y; first += TILE) {
            uint n = min(TILE, keys.y - first);
            barrier(); // the tile before is done with shared memory; the queries are there
            find_keys(table, task.kv_head, first, n);
            barrier();
            multiply_keys(n);
            barrier();
            finish_scores(task, mine, place_in, first, n);
            barrier();
            weigh(mine, place_in, in_run ? range[mine] : uvec2(0u), first, n, maximum, divisor);
            barrier();

            [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
                low[i] *= shrink[i];
                high[i] *= shrink[i];
            }
            [[dont_unroll]] for (uint t = key_group; t < n && key_group < KEY_GROUPS;
                                 t += KEY_GROUPS) {
                vec4 a, b;
                CACHE_LOAD(value_cache, place[t], octet, HEAD_DIM, a, b)
                [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
                    float w = weight[i * TILE + t];
                    low[i] += w * a;
                    high[i] += w * b;
                }
            }
        }
    }

    barrier();
    part[self] = divisor;
    [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
        barrier(); // the query before is written
        if (key_group < KEY_GROUPS) {
            keep((key_group * OCTETS + octet) * 8u, low[i]);
            keep((key_group * OCTETS + octet) * 8u + 4u, high[i]);
        }
        if (mine == i && place_in == 0u)
            shrink[i] = maximum;
        barrier();
        if (has_query(task, i))
            write_query(task, i);
    }
}
