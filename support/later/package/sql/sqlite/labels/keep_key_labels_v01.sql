CREATE TABLE key_labels_kept AS SELECT label, meaning FROM key_labels
