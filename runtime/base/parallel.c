#include "base/parallel.h"

#include <pthread.h>

enum { MAX_THREADS = 256 };

struct shared {
    smr_parallel_fn *work;
    void *user;
    uint64_t n, grain;
    pthread_mutex_t lock; // guards what follows
    uint64_t next;        // the first item that nobody has
    bool failed;
};

struct worker {
    struct shared *shared;
    uint32_t index;
};

static bool take(struct shared *shared, uint64_t *begin, uint64_t *end)
{
    pthread_mutex_lock(&shared->lock);
    const uint64_t rest = shared->failed ? 0 : shared->n - shared->next;
    *begin = shared->next;
    *end = *begin + (rest < shared->grain ? rest : shared->grain);
    shared->next = *end;
    pthread_mutex_unlock(&shared->lock);
    return rest;
}

static void *run(void *user)
{
    const struct worker *worker = user;
    struct shared *shared = worker->shared;
    uint64_t begin, end;
    while (take(shared, &begin, &end)) {
        if (shared->work(shared->user, worker->index, begin, end))
            continue;
        pthread_mutex_lock(&shared->lock);
        shared->failed = true;
        pthread_mutex_unlock(&shared->lock);
    }
    return NULL;
}

bool smr_parallel(uint32_t n_threads, uint64_t n, uint64_t grain, smr_parallel_fn *work, void *user)
{
    pthread_t threads[MAX_THREADS];
    struct worker workers[MAX_THREADS];
    struct shared shared = {.work = work, .user = user, .n = n, .grain = grain ? grain : 1};
    const uint64_t n_pieces = n / shared.grain + (n % shared.grain != 0);
    uint32_t wanted = smr_min_u32(n_threads, MAX_THREADS), n_started = 0;
    if (wanted > n_pieces)
        wanted = (uint32_t)n_pieces;
    pthread_mutex_init(&shared.lock, NULL);
    for (uint32_t i = 1; i < wanted; i++) {
        workers[i] = (struct worker){&shared, i};
        if (pthread_create(&threads[n_started], NULL, run, &workers[i]))
            break;
        n_started++;
    }
    workers[0] = (struct worker){&shared, 0};
    run(&workers[0]);
    for (uint32_t i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&shared.lock);
    return !shared.failed;
}
