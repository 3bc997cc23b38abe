"""What `tf-estimator cluster` is made of."""
