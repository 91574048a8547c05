// identity.h - telling hardware apart, so that a GPU which several drivers reach is known to be one.
#pragma once

#include "base/base.h"

struct smr_pci_address {
    uint32_t domain; // UINT32_MAX: not known
    uint32_t bus, device, function;
};

// What drivers say that does not depend on the driver. Zero: nothing is known.
struct smr_identity {
    uint32_t backend; // enum smr_backend
    bool has_uuid, has_pci;
    uint8_t uuid[16]; // VkPhysicalDeviceIDProperties.deviceUUID, CL_DEVICE_UUID_KHR
    struct smr_pci_address pci;
};

// Zeros are no UUID.
void smr_identity_set_uuid(struct smr_identity *identity, const uint8_t uuid[16]);
void smr_identity_set_pci(struct smr_identity *identity, const struct smr_pci_address *pci);

// Give each of `n` devices a number, which those have in common that are one piece of hardware: the
// index of its first. Their order is kept. Names do not count: a machine may have two cards alike.
void smr_identity_group(const struct smr_identity *identities, size_t n, uint32_t *groups);
