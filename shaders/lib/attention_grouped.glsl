// attention_grouped.glsl - attention of several queries that share a KV head; included by
// attention.comp. Each key and value is read once for QUERIES queries, a divisor of WORKGROUP_SIZE.
//
// Neighbouring rows of one sequence make a run, whose keys are gone over together; each query sees
// only its own. Invocations change roles: in step 3 each belongs to one query, the STEP3 neighbours
// of which share its keys; in steps 2 and 4 they work for all queries.
layout(constant_id = 7) const uint KEYS = 2u; // of an invocation at a time, in steps 2 and 4
const uint STEP3 = WORKGROUP_SIZE / QUERIES;
const uint MY_KEYS = (TILE + STEP3 - 1u) / STEP3; // in step 3
const uint PLACES = TILE + (KEYS - 1u) * KEY_GROUPS;
const uint STEP2 = WORKGROUP_SIZE / LANES;        // TILE is a multiple of KEYS times that

shared uint place[PLACES]; // of a key's and a value's vector in the cache, in words
shared float query[QUERIES * OCTETS * 8u]; // zeros past head_dim and for absent queries
shared uvec4 about[QUERIES];   // keys that a query sees, as key_range() says it; position; head
// What is rare is in shared memory and not in registers, of which Intel's GPUs have few.
shared float greatest[QUERIES]; // score so far
shared uint result[QUERIES];   // where its result goes, or ABSENT
shared float part[QUERIES * TILE * LANES];
shared float most[WORKGROUP_SIZE]; // greatest score of an invocation's keys
shared float weight[PLACES * QUERIES]; // [TILE][QUERIES], then zeros
shared float shrink[QUERIES]; // exp(old maximum - new maximum)
shared float sums[KEY_GROUPS * OCTETS * 8u];

// What this invocation is for: its query in step 3, its octet of elements and its keys in step 4.
uint my_query()
{
    return gl_LocalInvocationID.x / STEP3;
}

uint my_octet()
{
    return gl_LocalInvocationID.x % OCTETS;
}

uint my_key_group()
{
    return gl_LocalInvocationID.x / OCTETS;
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
    for (uint i = gl_LocalInvocationID.x; i < QUERIES; i += WORKGROUP_SIZE) {
        uint row = task.first_row + i / HEADS, head = task.first_head + i % HEADS;
        bool present = has_query(task, i);
        about[i] = present ? uvec4(key_range(row, task.split), rows[row].y, head) : uvec4(0u);
        greatest[i] = -3e38;
        result[i] = present ? output_at(row, head, task.split) : ABSENT;
    }
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

// Step 1. `n` keys from `first` on of the sequence of `row`, the last of them again where there are
// none.
void find_keys(uint row, uint first, uint n)
{
    uint table = rows[row].w * max_pages, kv_head = about[0].w / (n_heads / n_kv_heads);
    for (uint t = gl_LocalInvocationID.x; t < PLACES; t += WORKGROUP_SIZE)
        place[t] = place_of(table, kv_head, first + min(t, n - 1u));
}

// Step 2, for all queries: each octet of a key is read once, and a query's once for KEYS of them.
void multiply_keys(uint n)
{
    uint lane = gl_LocalInvocationID.x % LANES;
    for (uint t = gl_LocalInvocationID.x / LANES; t < n; t += KEYS * STEP2) {
        float products[KEYS][QUERIES];
        uint base[KEYS];
        [[unroll]] for (uint k = 0u; k < KEYS; k++) {
            base[k] = place[t + k * STEP2];
            [[unroll]] for (uint i = 0u; i < QUERIES; i++)
                products[k][i] = 0.0;
        }
        [[dont_unroll]] for (uint o = lane; o < OCTETS; o += LANES) {
            vec4 low[KEYS], high[KEYS];
            [[unroll]] for (uint k = 0u; k < KEYS; k++)
                CACHE_LOAD(key_cache, base[k], o, HEAD_DIM, low[k], high[k])
            [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
                vec4 a = query_quad((i * OCTETS + o) * 2u);
                vec4 b = query_quad((i * OCTETS + o) * 2u + 1u);
                [[unroll]] for (uint k = 0u; k < KEYS; k++)
                    products[k][i] = add_products(low[k], a, add_products(high[k], b, products[k][i]));
            }
        }
        [[unroll]] for (uint k = 0u; k < KEYS; k++) {
            [[unroll]] for (uint i = 0u; i < QUERIES; i++)
                part[(i * TILE + t + k * STEP2) * LANES + lane] = products[k][i];
        }
    }
}

// Step 3. `mine` is the invocation's query, `place_in` its number among those of it. The tile
// begins at key `first`. Keys that the query does not see get the weight 0.
void weigh(bool in_run, uint first, inout float divisor)
{
    uint mine = my_query(), place_in = gl_LocalInvocationID.x % STEP3;
    float maximum = greatest[mine];
    uvec4 q_about = in_run ? about[mine] : uvec4(0u);
    float before = maximum, score[MY_KEYS];
    [[unroll]] for (uint i = 0u; i < MY_KEYS; i++) {
        uint t = place_in + i * STEP3, key = first + t;
        if (t < TILE && key >= q_about.x && key < q_about.y) {
            float product = 0.0;
            [[unroll]] for (uint j = 0u; j < LANES; j++)
                product += part[(mine * TILE + t) * LANES + j];
            score[i] = score_of(product, q_about.w, q_about.z, key);
            maximum = max(maximum, score[i]);
        }
    }
    most[gl_LocalInvocationID.x] = maximum;
    barrier();
    [[dont_unroll]] for (uint i = 0u; i < STEP3; i += 4u) {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            maximum = max(maximum, most[mine * STEP3 + i + j]);
    }
    before = exp(before - maximum);
    divisor *= before;
    if (place_in == 0u) {
        shrink[mine] = before;
        greatest[mine] = maximum;
    }
    [[unroll]] for (uint i = 0u; i < MY_KEYS; i++) {
        uint t = place_in + i * STEP3, key = first + t;
        float w = key >= q_about.x && key < q_about.y ? exp(score[i] - maximum) : 0.0;
        if (t < TILE)
            weight[t * QUERIES + mine] = w;
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

// Query i's result, from what KEY_GROUPS left in `sums` and its invocations, the divisors, in
// `most`.
void write_query(uint i)
{
    uint at = result[i];
    float divisor = 0.0;
    for (uint j = 0u; j < STEP3; j++)
        divisor += most[i * STEP3 + j];
    for (uint e = gl_LocalInvocationID.x; e < HEAD_DIM; e += WORKGROUP_SIZE) {
        float sum = 0.0;
        [[dont_unroll]] for (uint g = 0u; g < KEY_GROUPS; g++)
            sum += sums[g * OCTETS * 8u + e];
        y[at + e] = sum * output_factor(divisor);
    }
    if (n_splits != 1u && gl_LocalInvocationID.x == 0u) {
        y[at + HEAD_DIM] = greatest[i];
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

    vec4 low[QUERIES], high[QUERIES]; // sums of the weighted values
    [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
        low[i] = vec4(0.0);
        high[i] = vec4(0.0);
    }
    for (uint i = TILE * QUERIES + self; i < PLACES * QUERIES; i += WORKGROUP_SIZE)
        weight[i] = 0.0;
    float divisor = 0.0; // of the keys whose weight is made here

    uint next = 0u;
    while (next < task.n_rows) {
        uint begin = next;
        uvec2 keys;
        next = find_run(task, begin, keys);
        bool in_run = my_query() >= begin * HEADS && my_query() < next * HEADS;

        for (uint first = keys.x; first < keys.y; first += TILE) {
            uint n = min(TILE, keys.y - first);
            barrier(); // the tile before is done with shared memory; what is about queries is there
            find_keys(task.first_row + begin, first, n);
            barrier();
            multiply_keys(n);
            barrier();
            weigh(in_run, first, divisor);
            barrier();

            [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
                low[i] *= shrink[i];
                high[i] *= shrink[i];
            }
            [[dont_unroll]] for (uint t = my_key_group(); t < n && my_key_group() < KEY_GROUPS;
                                 t += KEYS * KEY_GROUPS) {
                vec4 a[KEYS], b[KEYS];
                [[unroll]] for (uint k = 0u; k < KEYS; k++)
                    CACHE_LOAD(value_cache, place[t + k * KEY_GROUPS], my_octet(), HEAD_DIM, a[k], b[k])
                [[unroll]] for (uint k = 0u; k < KEYS; k++) {
                    [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
                        float w = weight[(t + k * KEY_GROUPS) * QUERIES + i];
                        low[i] += w * a[k];
                        high[i] += w * b[k];
                    }
                }
            }
        }
    }

    barrier();
    most[self] = divisor;
    [[unroll]] for (uint i = 0u; i < QUERIES; i++) {
        barrier(); // the query before is written
        if (my_key_group() < KEY_GROUPS) {
            keep(self * 8u, low[i]);
            keep(self * 8u + 4u, high[i]);
        }
        barrier();
        if (result[i] != ABSENT)
            write_query(i);
    }
}
