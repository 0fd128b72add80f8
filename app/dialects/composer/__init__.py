"""composer.optim, Composer 0.33: multipliers of the rate."""
