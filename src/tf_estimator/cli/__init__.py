"""The command `tf-estimator`."""
