"""What `tf-estimator launch` is made of. None of it needs TensorFlow."""
