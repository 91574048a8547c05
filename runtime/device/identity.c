// identity.c - see identity.h.
#include "device/identity.h"

#include <string.h>

void smr_identity_set_uuid(struct smr_identity *identity, const uint8_t uuid[16])
{
    static const uint8_t none[16];
    memcpy(identity->uuid, uuid, sizeof identity->uuid);
    identity->has_uuid = memcmp(uuid, none, sizeof none) != 0;
}

void smr_identity_set_pci(struct smr_identity *identity, const struct smr_pci_address *pci)
{
    identity->pci = *pci;
    identity->has_pci = true;
}

static bool same_place(const struct smr_pci_address *a, const struct smr_pci_address *b)
{
    return a->bus == b->bus && a->device == b->device && a->function == b->function &&
           (a->domain == b->domain || a->domain == UINT32_MAX || b->domain == UINT32_MAX);
}

enum relation { UNKNOWN, SAME, DIFFERENT };

// Places differ between cards whatever else their drivers say: some give all cards of a kind one
// UUID. Drivers of two APIs may make up UUIDs in two ways, so that those tell devices apart only
// within one API, as parts of a card that is divided.
static enum relation relate(const struct smr_identity *a, const struct smr_identity *b)
{
    bool places = a->has_pci && b->has_pci, uuids = a->has_uuid && b->has_uuid;
    if (places && !same_place(&a->pci, &b->pci))
        return DIFFERENT;
    if (uuids && !memcmp(a->uuid, b->uuid, sizeof a->uuid))
        return SAME;
    if (uuids && a->backend == b->backend)
        return DIFFERENT;
    return places ? SAME : UNKNOWN;
}

void smr_identity_group(const struct smr_identity *identities, size_t n, uint32_t *groups)
{
    for (uint32_t i = 0; i < n; i++) {
        groups[i] = i;
        for (uint32_t first = 0; first < i && groups[i] == i; first++) {
            if (groups[first] != first)
                continue;
            bool same = false, different = false;
            for (uint32_t member = first; member < i; member++) {
                if (groups[member] != first)
                    continue;
                enum relation relation = relate(&identities[member], &identities[i]);
                same = same || relation == SAME;
                different = different || relation == DIFFERENT;
            }
            if (same && !different)
                groups[i] = first;
        }
    }
}
