"""Training, protocols, metrics and the SVM baseline."""
