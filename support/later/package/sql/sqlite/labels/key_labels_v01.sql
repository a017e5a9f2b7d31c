-- The meaning of labels of versions. Only tests have this table.
CREATE TABLE key_labels (
    label VARCHAR(30) NOT NULL,
    meaning VARCHAR(100) NOT NULL,
    CONSTRAINT pk_key_labels PRIMARY KEY (label)
) WITHOUT ROWID
