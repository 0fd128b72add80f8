"""The schedulers of the libraries that people use, by their own names and parameters.

A library is a module here with a tuple `MODELS`. A scheduler is a class in it, named after library and scheduler
(`TorchStepLR`), as the names of classes are the names in the OpenAPI document. It lowers to simpler kinds.
"""

from schemas.dialects import (
    classic,
    composer,
    composer_warmup,
    deepspeed,
    diffusers,
    fairseq,
    fairseq_epochs,
    fvcore,
    fvcore_stairs,
    ignite,
    ignite_wrapped,
    keras,
    megatron,
    nemo,
    nemo_hold,
    optax,
    optax_joined,
    plateaus,
    plateaus_own,
    timm,
    torch,
    torch_composites,
    torch_cycles,
    torchtitan,
    transformers,
    transformers_low,
)
from schemas.specs import Spec

DIALECTS: tuple[type[Spec], ...] = (
    *classic.MODELS,
    *composer.MODELS,
    *composer_warmup.MODELS,
    *deepspeed.MODELS,
    *diffusers.MODELS,
    *fairseq.MODELS,
    *fairseq_epochs.MODELS,
    *fvcore.MODELS,
    *fvcore_stairs.MODELS,
    *ignite.MODELS,
    *ignite_wrapped.MODELS,
    *keras.MODELS,
    *megatron.MODELS,
    *nemo.MODELS,
    *nemo_hold.MODELS,
    *optax.MODELS,
    *optax_joined.MODELS,
    *plateaus.MODELS,
    *plateaus_own.MODELS,
    *timm.MODELS,
    *torch.MODELS,
    *torch_composites.MODELS,
    *torch_cycles.MODELS,
    *torchtitan.MODELS,
    *transformers.MODELS,
    *transformers_low.MODELS,
)
