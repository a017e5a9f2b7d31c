"""The life of a key: created, rotated, its status changed, its versions destroyed. One transaction each."""
