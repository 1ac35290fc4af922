"""The features: a file per group, and the signals of listening that groups share."""
