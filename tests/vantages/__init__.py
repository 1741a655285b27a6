"""Tests of the vantages: good and bad far sides, as real processes."""
