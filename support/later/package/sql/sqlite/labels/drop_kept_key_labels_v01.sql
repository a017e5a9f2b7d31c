DROP TABLE key_labels_kept
