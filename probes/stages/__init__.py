"""The work of each stage, one file a stage: what it does with a target, and what it returns."""
