// copy_pages.comp - copy the first slots of pages of a KV cache to other pages.
//
// Bindings and parameters: struct smr_copy_pages_push in kernel.h. A cache is moved as words,
// whatever its type. The slots of one head are neighbours in a page: a workgroup takes a block of
// their words, of one copy and head, of keys and of values; blocks behind the copy's slots have
// nothing to do.
#include "lib/reduce.glsl"

// struct smr_page_copy: from, to, n_slots.
layout(std430, binding = 0) restrict readonly buffer Copies
{
    uvec4 copies[];
};
layout(std430, binding = 1) restrict buffer Keys
{
    uint keys[];
};
layout(std430, binding = 2) restrict buffer Values
{
    uint values[];
};

layout(std430, push_constant) uniform Push
{
    uint n_copies, page_size, n_kv_heads, vector_words;
}
push;

const uint BLOCK = 1024u; // COPY_BLOCK of registry.c

void main()
{
    uint head_words = push.page_size * push.vector_words; // of one head in a page
    uint n_blocks = (head_words + BLOCK - 1u) / BLOCK;
    uint group = group_index(), head = group / n_blocks % push.n_kv_heads;
    if (group >= push.n_copies * push.n_kv_heads * n_blocks)
        return;
    uvec4 job = copies[group / n_blocks / push.n_kv_heads];
    uint begin = group % n_blocks * BLOCK;
    uint end = min(begin + BLOCK, job.z * push.vector_words);
    uint from = (job.x * push.n_kv_heads + head) * head_words;
    uint to = (job.y * push.n_kv_heads + head) * head_words;
    for (uint i = begin + gl_LocalInvocationID.x; i < end; i += WORKGROUP_SIZE) {
        keys[to + i] = keys[from + i];
        values[to + i] = values[from + i];
    }
}
