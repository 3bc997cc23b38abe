"""Graphs and sessions that are kept between calls, and the inputs that later calls bring."""
