// hparams.h - hyperparameters from metadata. Private to model/.
#pragma once

#include "model/gguf.h"

// Fill in and check `model->hparams` from the metadata and tensors of `model`; `gguf` is the file they
// come from. False with an error "PATH: KEY: reason".
bool smr_hparams_read(struct smr_model *model, const struct smr_gguf *gguf);
