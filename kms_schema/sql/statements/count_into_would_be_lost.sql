INSERT INTO temp.would_be_lost {count}
