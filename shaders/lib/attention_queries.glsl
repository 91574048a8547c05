// attention_queries.glsl - the queries of a workgroup that has several which share a KV head:
// QUERIES, those of HEADS heads that share it, in QUERIES / HEADS neighbouring rows. Query i is
// head i % HEADS of row i / HEADS. For lib/attention_grouped.glsl and lib/attention_tiles.glsl.
layout(constant_id = 4) const uint QUERIES = 8u; // a multiple of HEADS
layout(constant_id = 5) const uint HEADS = 1u;
const uint ROWS = QUERIES / HEADS;
const uint ABSENT = 0xffffffffu; // in place of where a query or its result is

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

bool has_query(Task task, uint i)
{
    return i % HEADS < task.n_heads && i / HEADS < task.n_rows;
}

// sum + dot(a, b), in multiply-adds alone.
float add_products(vec4 a, vec4 b, float sum)
{
    sum += a.x * b.x;
    sum += a.y * b.y;
    sum += a.z * b.z;
    return sum + a.w * b.w;
}
