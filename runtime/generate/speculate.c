// speculate.c - whether to guess what comes next, and how far.
//
// A step of 2 to 8 rows costs little more than one of a single row where weights are what is read, so
// that guesses can be computed with the token that is certain. How many pay depends on how often
// guesses like this one were right, and on what steps cost here: both are measured while generating.
//
//     gain of n guesses = (1 + p1 + p1 p2 + ...) / (time of a step with them / time of one without)
//
// A budget bounds what wrong guesses may cost, however the estimates err.
#include "generate/generate.h"

static const struct { // guesses after that many tokens that were the same
    uint32_t n_same;
    float prior; // share of them that is right, until it is known
} kinds[SMR_GUESS_KINDS] = {{2, 0.3f}, {3, 0.45f}, {4, 0.6f}, {6, 0.7f}, {9, 0.8f}, {16, 0.9f}};

// Rows of steps: each number is a program of its own, so there are few; rows may stay empty.
static const uint32_t row_counts[SMR_GUESS_STEPS] = {2, 4, 8};

static const float model_prior = 0.7f;     // of another model's guesses
static const double prior_cost = 0.15;     // of a row more, as part of a step, until it is known
static const double most_cost = 16;        // of a step, in steps of one row, that is believed
static const double first_budget = 2;      // in steps
static const double most_budget = 8;       // so that old gains do not pay for new mistakes
static const double earned_budget = 0.01;  // by a step without guesses
static const double expected_text = 0.015; // of a text of n tokens that is known to be short

// What kind of guess the i-th of a draft is: after a right one, more tokens were the same. Of another
// model's guesses each is a kind by itself.
static uint32_t kind_of(const struct smr_speculator *speculator, uint32_t i)
{
    uint32_t kind = 0, n_same = speculator->n_same + i;
    if (speculator->drafter.session)
        return smr_min_u32(i, SMR_GUESS_KINDS - 1);
    while (kind + 1 < SMR_GUESS_KINDS && kinds[kind + 1].n_same <= n_same)
        kind++;
    return kind;
}

bool smr_speculator_init(struct smr_speculator *speculator, const smr_session *session,
                         const struct smr_generate_params *params)
{
    const smr_engine *engine = session->engine;
    const struct smr_speculation *wanted = &params->speculation;
    uint32_t max = wanted->draft_max ? wanted->draft_max : SMR_MAX_DRAFT;
    *speculator = (struct smr_speculator){.when = wanted->when,
                                          .max = smr_min_u32(max, SMR_MAX_DRAFT),
                                          .budget = expected_text * params->n_predict};
    if (speculator->budget > first_budget)
        speculator->budget = first_budget;
    for (uint32_t i = 0; i < SMR_GUESS_KINDS; i++) { // as if there had been four guesses
        float prior = wanted->draft ? model_prior : kinds[i].prior;
        speculator->guesses[i] = (struct smr_guesses){.right = 4 * prior, .all = 4};
    }
    if (wanted->when == SMR_SPECULATE_NEVER)
        return true;
    if (wanted->draft)
        return smr_drafter_init(&speculator->drafter, session, wanted->draft, &params->sampling);
    const struct smr_source *source = session->source;
    uint32_t n_source = source ? source->n_tokens + 1 : 0;
    if (!smr_ngrams_init(&speculator->ngrams, engine->context, n_source + engine->n_context))
        return false;
    if (source) {
        smr_ngrams_add(&speculator->ngrams, source->tokens, source->n_tokens);
        smr_ngrams_add(&speculator->ngrams, &(int32_t){-1}, 1); // the text does not follow it
    }
    return true;
}

void smr_speculator_finish(struct smr_speculator *speculator)
{
    smr_drafter_finish(&speculator->drafter);
    smr_ngrams_finish(&speculator->ngrams);
}

// The time of a step with that many rows, in steps of one.
static double cost_of(const struct smr_speculator *speculator, uint32_t step)
{
    double known = 1;
    uint32_t n_rows = 1;
    for (uint32_t i = 0; i <= step; i++)
        if (speculator->costs[i] > 0) {
            known = speculator->costs[i];
            n_rows = row_counts[i];
        }
    return known + prior_cost * (row_counts[step] - n_rows);
}

// Tokens that a step brings on average with n guesses.
static double expected_tokens(const struct smr_speculator *speculator, uint32_t n)
{
    double sum = 1, p = 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct smr_guesses *guesses = &speculator->guesses[kind_of(speculator, i)];
        p *= guesses->right / guesses->all;
        sum += p;
    }
    return sum;
}

// How many of n guesses to compute, and in how wide a step.
static uint32_t choose(struct smr_speculator *speculator, uint32_t n)
{
    double best = 1.05; // for less it is not worth the trouble
    uint32_t chosen = 0;
    speculator->step = SMR_GUESS_STEPS;
    for (uint32_t step = 0; step < SMR_GUESS_STEPS; step++) {
        uint32_t used = smr_min_u32(n, row_counts[step] - 1);
        double cost = cost_of(speculator, step);
        double gain = expected_tokens(speculator, used) / cost;
        bool always = speculator->when == SMR_SPECULATE_ALWAYS;
        if (used <= chosen || (!always && (gain <= best || cost - 1 > speculator->budget)))
            continue;
        best = gain;
        chosen = used;
        speculator->step = step;
        if (!always && speculator->costs[step] <= 0)
            break; // wider ones when it is known what this one takes
    }
    return chosen;
}

// Look up what may follow, in place; how many tokens there are.
static uint32_t look_up(struct smr_speculator *speculator, smr_session *session, uint32_t max)
{
    uint32_t n_new = session->n_tokens - speculator->n_known;
    smr_ngrams_add(&speculator->ngrams, session->tokens + speculator->n_known, n_new);
    speculator->n_known = session->n_tokens;
    return smr_ngrams_find(&speculator->ngrams, session->tokens + session->n_tokens, max,
                           &speculator->n_same);
}

bool smr_speculator_draft(struct smr_speculator *speculator, smr_session *session, uint64_t random,
                          uint32_t max, struct smr_draft *draft)
{
    struct smr_drafter *drafter = &speculator->drafter;
    *draft = (struct smr_draft){.n_rows = 1};
    max = smr_min_u32(smr_min_u32(max, speculator->max), smr_session_room(session));
    if (speculator->when == SMR_SPECULATE_NEVER || !max)
        return true;
    if (speculator->when == SMR_SPECULATE_AUTO && speculator->step_ns <= 0)
        return true; // what a step costs is not known before the first
    uint32_t n = drafter->session ? max : look_up(speculator, session, max);
    if (!n)
        return true;
    draft->n = choose(speculator, n);
    if (!draft->n) // what was too dear may have been bad luck: in time it is tried again
        for (uint32_t i = 0; i < SMR_GUESS_STEPS; i++)
            speculator->costs[i] -= speculator->costs[i] > 1 ? 0.003 * speculator->costs[i] : 0;
    else if (drafter->session && !smr_drafter_draft(drafter, session, random,
                                                    session->tokens + session->n_tokens, &draft->n))
        return false;
    if (draft->n)
        draft->n_rows = row_counts[speculator->step];
    return true;
}

static void learn_guesses(struct smr_speculator *speculator, uint32_t n, uint32_t n_right)
{
    for (uint32_t i = 0; i < n && i <= n_right; i++) {
        struct smr_guesses *guesses = &speculator->guesses[kind_of(speculator, i)];
        if (guesses->all > 24) { // texts change: what is long ago counts less
            guesses->right *= 0.75f;
            guesses->all *= 0.75f;
        }
        guesses->all++;
        guesses->right += i < n_right;
    }
}

// The first step of a program does what later ones need not, and now and then a compiler is at work:
// that says nothing about its cost.
void smr_speculator_learn(struct smr_speculator *speculator, struct smr_draft draft,
                          uint32_t n_right, uint64_t time_ns)
{
    double time = (double)time_ns, *budget = &speculator->budget;
    if (!draft.n) {
        double *mean = &speculator->step_ns;
        if (speculator->warm_single)
            *mean = *mean > 0 ? *mean + 0.1 * (time - *mean) : time;
        speculator->warm_single = true;
        *budget += earned_budget;
    } else {
        double *cost = &speculator->costs[speculator->step];
        double steps = speculator->step_ns > 0 ? time / speculator->step_ns : 1;
        const bool unusual = steps > most_cost;
        if (speculator->warm[speculator->step] && !unusual)
            *cost = *cost > 0 ? *cost + 0.25 * (steps - *cost) : steps;
        if (unusual || (!speculator->warm[speculator->step] && steps > 1 + first_budget))
            steps = 1 + first_budget; // once, and not for this text alone
        *budget += 1 + n_right - steps;
        speculator->warm[speculator->step] = true;
        learn_guesses(speculator, draft.n, n_right);
        speculator->n_drafted += draft.n;
        speculator->n_accepted += n_right;
    }
    if (*budget > most_budget)
        *budget = most_budget;
}
