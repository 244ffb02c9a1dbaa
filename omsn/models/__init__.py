"""The network: encoders, fusion, classifier, losses, checkpoints."""
