INSERT INTO key_labels (label, meaning) SELECT label, meaning FROM key_labels_kept
