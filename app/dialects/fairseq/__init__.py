"""fairseq.optim.lr_scheduler, fairseq 0.12.2."""
