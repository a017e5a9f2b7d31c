DROP TABLE key_labels
