"""One file a stage: its facts, and everything else that is declared of it."""
