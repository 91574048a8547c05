// experts.comp - y[r, k, o] = sum over c of w[e, o, c] x[r, k, c], where e is what row r chose as
// its k-th expert.
//
// That is matvec for one row of x, and one expert's rows of the weights, for each pair of r and k:
// workgroups along z take pairs, those along x and y are matvec's. See struct smr_experts_push in
// kernel.h.
#define EXPERTS 1
#include "matvec.comp"
