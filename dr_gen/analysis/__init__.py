"""Questions about runs: what each configuration did, which differences are real, what failed."""
