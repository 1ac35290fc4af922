"""The features: a file per group, and the signals that groups share."""
