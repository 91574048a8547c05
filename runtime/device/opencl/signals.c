// signals.c - drivers do not keep the process's signals.
//
// Compilers inside drivers (LLVM's "RemoveFileOnSignal") catch the signals that end a process, to
// remove temporary files first. They take them from the program that uses us, and interrupt its
// system calls.
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "device/opencl/cl.h"

static const int kept[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2};

// What a process has one of can't be a context's: the handlers, and who is waiting to put them
// back.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_holders;
static struct sigaction before[SMR_COUNT(kept)];

void smr_cl_hold_signals(void)
{
    pthread_mutex_lock(&lock);
    if (!n_holders++)
        for (size_t i = 0; i < SMR_COUNT(kept); i++)
            sigaction(kept[i], NULL, &before[i]);
    pthread_mutex_unlock(&lock);
}

void smr_cl_release_signals(void)
{
    pthread_mutex_lock(&lock);
    if (!--n_holders)
        for (size_t i = 0; i < SMR_COUNT(kept); i++) {
            struct sigaction now;
            if (!sigaction(kept[i], NULL, &now) && now.sa_handler != before[i].sa_handler)
                sigaction(kept[i], &before[i], NULL);
        }
    pthread_mutex_unlock(&lock);
}
