#!/bin/sh
# An elastic job on one machine: LOCKSTEP_URL=http://127.0.0.1:8000 sh deploy/torchrun.sh
# A rank that dies takes the others down; torchrun starts all of them again, and they go on from the checkpoint. The id
# of the rendezvous names the run. (Not --standalone: it makes up a new id for every start.)
set -eu

# torchrun keeps its store over restarts, and in it the addresses of ranks that are gone: give every restart a new one.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

exec torchrun \
    --nnodes "${NODES:-1}" \
    --nproc-per-node "${RANKS_PER_NODE:-4}" \
    --max-restarts 3 \
    --rdzv-backend c10d \
    --rdzv-endpoint "${HEAD:-localhost}:${PORT:-29500}" \
    --rdzv-id "${RUN:-example-ddp}" \
    examples/train_ddp.py "${CHECKPOINT:-checkpoint.pt}"
