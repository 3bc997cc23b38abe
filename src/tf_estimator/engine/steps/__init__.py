"""The steps of training: when hooks look at them, and who takes them where none does."""
