"""Plan, run, judge, conclude: what scenarios, comparisons and accuracy share. No pytest here."""
