"""paddle.optimizer.lr, PaddlePaddle 3.3.1."""
