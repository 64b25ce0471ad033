"""The experiments that ship: one file per data set, a function per experiment."""
