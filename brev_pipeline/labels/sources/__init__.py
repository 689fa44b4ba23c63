"""Sources: one file per format of labels. Each is a pure function of bytes and settings; none opens a file."""
