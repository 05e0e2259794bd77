"""Model selection on a validation split of the training data: hyper-parameters, mixing weights, graph pruning."""
