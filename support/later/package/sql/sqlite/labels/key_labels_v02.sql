-- The meaning of labels of versions. Only tests have this table.
CREATE TABLE key_labels (
    label VARCHAR(30) NOT NULL,
    meaning VARCHAR(100) NOT NULL,
    colour VARCHAR(30),
    CONSTRAINT pk_key_labels PRIMARY KEY (label),
    CONSTRAINT ck_key_labels_colour_not_blank CHECK (trim(colour, char(9, 10, 13, 32)) <> '')
) WITHOUT ROWID
