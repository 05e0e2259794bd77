"""The two-tower model (paper 4.3): in-batch softmax training on (user, item) pairs."""
