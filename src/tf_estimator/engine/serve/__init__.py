"""Answering one request at a time, from a model or a SavedModel."""
